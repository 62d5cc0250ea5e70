"""Every page of the shell in Chinese: no English word is left but data, codes and the names we keep."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from hospitals.portal.forms import FORMS
from tests.hospitals.portal.conftest import SignIn
from tests.world import World

# Names that are the same in both languages.
KEPT = {"HIS", "HTTP", "MediSettle", "JSON", "GET", "lanes", "retry", "of", "Ctrl", "esc"}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
SILENT = {"script", "style", "pre", "code"}
TOLD = ("title", "placeholder", "aria-label", "alt")


class Words(HTMLParser):
    """Latin words that a reader meets; what is marked translate="no", icons and code are data."""

    def __init__(self) -> None:
        super().__init__()
        self.silent: list[bool] = [False]
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        held = dict(attributes)
        data = held.get("translate") == "no" or "material-symbols-outlined" in (held.get("class") or "")
        silent = self.silent[-1] or tag in SILENT or data
        if not silent and "ms-badge" not in (held.get("class") or ""):
            for name in TOLD:
                self.read(held.get(name) or "")
        if tag not in VOID:
            self.silent.append(silent)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and len(self.silent) > 1:
            self.silent.pop()

    def handle_data(self, data: str) -> None:
        if not self.silent[-1]:
            self.read(data)

    def read(self, text: str) -> None:
        self.found |= set(re.findall(r"[A-Za-z]{2,}", text)) - KEPT


def english_words(page: str, world: World) -> set[str]:
    for his_no in world.transactions:
        page = page.replace(his_no, "")
    words = Words()
    words.feed(page)
    return words.found


def test_no_page_shows_an_untranslated_word(settled_world: World, signed_in: SignIn) -> None:
    world = settled_world
    client = signed_in("chen")
    client.post("/i18n/setlang/", {"language": "zh-hans"})
    addresses = [
        "",
        "queue/",
        "queue/?state=NEEDS_HUMAN",
        "refunds/",
        "outage/",
        "connection/?test=1",
        "transactions/",
        "messages/",
        "nowhere",
        "transactions/?q=no",
        "messages/?msgid=no",
        "search/?s=A-SHARED",
    ]
    addresses += ["search/?s=no"]
    addresses += [f"transactions/{key}/" for key in world.transactions.values()]
    addresses += [f"transactions/{world.transactions['A-DOUBT']}/{act}/" for act in FORMS]
    for address in addresses:
        shown = client.get(f"/hospital/{address}").content.decode()
        assert not english_words(shown, world), address


def test_signing_in_is_chinese_too(settled_world: World) -> None:
    from django.test import Client

    client = Client(headers={"accept-language": "zh-CN"})
    assert english_words(client.get("/hospital/login/").content.decode(), settled_world) == set()
    wrong = client.post("/hospital/login/", {"username": "chen", "password": "wrong"}).content.decode()
    assert english_words(wrong, settled_world) == set()
