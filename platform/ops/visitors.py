"""People at the demo's doors: a patient with his telephone, and staff who fill in the forms of a portal's pages."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
from django.conf import settings

from ops.doubts import StoryFailed

SECONDS = 60.0
POLL_SECONDS = 0.15
Fields = dict[str, str]


def until[Found](look: Callable[[], Found], *, what: str) -> Found:
    """What `look` finds, as soon as it finds something. Raises StoryFailed."""
    give_up_at = time.monotonic() + SECONDS
    while not (found := look()):
        if time.monotonic() > give_up_at:
            raise StoryFailed(f"{what} did not come within {SECONDS:g} seconds")
        time.sleep(POLL_SECONDS)
    return found


class Patient:
    """Speaks the patients' interface with a cookie and its token, as his telephone does."""

    def __init__(self, base_url: str, facts: Mapping[str, str]) -> None:
        self.facts = facts
        self.line = httpx2.Client(base_url=f"{base_url}/api/patient/v1/", timeout=SECONDS)
        self.person_id = ""

    def sign_in(self) -> None:
        """By the code that was sent to his number; then says who he is and agrees to the texts."""
        phone = self.facts["phone"]
        self._token()
        asked_at = time.time()
        self.post("sign-in/code", {"phone": phone, "language": "en"}, status=202)
        code = until(lambda: _code(phone, asked_at), what=f"the code for {phone}")
        self.post("sign-in", {"phone": phone, "code": code, "language": "en"})
        self._token()
        told = self.post("identity", {"name": self.facts["name"], "id_no": self.facts["id_no"]})
        self.person_id = told["person_id"]
        for text in self.get("consents")["items"]:
            given = {"person_id": self.person_id, "code": text["code"], "version": text["version"], "given": True}
            self.post("consents", given)

    def get(self, address: str) -> Any:
        return self._told(self.line.get(address), 200)

    def post(self, address: str, body: Any = None, *, status: int = 200, files: Any = None) -> Any:
        """What is answered with `status`; anything else breaks the story."""
        if files is not None:
            return self._told(self.line.post(address, data=body, files=files), status)
        return self._told(self.line.post(address, json=body if body is not None else {}), status)

    def _token(self) -> None:
        self.line.headers["X-CSRFToken"] = self.get("session")["csrf_token"]

    def _told(self, answer: httpx2.Response, status: int) -> Any:
        if answer.status_code != status:
            raise StoryFailed(f"expected {status} at {answer.request.url.path}; was told {answer.text[:500]}")
        return answer.json() if answer.content else None


class Staff:
    """Signed in at a portal; acts by opening a page, filling in its form and sending it."""

    def __init__(self, base_url: str, login: Mapping[str, str]) -> None:
        self.username, self.password, self.portal = login["username"], login["password"], login["portal"]
        self.line = httpx2.Client(base_url=base_url, timeout=SECONDS, headers={"Accept-Language": "en"})

    def sign_in(self) -> None:
        page = self.page("login/")
        form = next(one for one in page if "password" in one)
        self._send("login/", form | {"username": self.username, "password": self.password})

    def page(self, address: str) -> list[Fields]:
        """The forms of a page, each with what stands in it."""
        reader = _Forms()
        reader.feed(self.text(address))
        return reader.forms

    def text(self, address: str) -> str:
        answer = self.line.get(self.portal + address)
        if answer.status_code != httpx2.codes.OK:
            raise StoryFailed(f"{self.username}: {address} was answered with {answer.status_code}")
        return str(answer.text)

    def fill(self, address: str, holding: str = "version", **entered: str) -> str:
        """Open the page, fill in the form that has the field `holding`, send it; returns the page it leads to.

        A dialog of two steps comes back with its second form: that is what is returned.
        """
        form = next((one for one in self.page(address) if holding in one), None)
        if form is None:
            raise StoryFailed(f"{self.username}: {address} offers nothing to send")
        return self._send(address, form | entered)

    def press(self, address: str, to: str, **entered: str) -> str:
        """Press a button of the page that needs no form: it posts `entered` to the address `to`."""
        token = self.page(address)[0]["csrfmiddlewaretoken"]
        return self._send(to, {"csrfmiddlewaretoken": token, **entered})

    def _send(self, address: str, form: Fields) -> str:
        where = self.portal + address
        headers = {"Referer": str(self.line.base_url.join(where))}
        answer = self.line.post(where, data=form, headers=headers)
        if answer.status_code == httpx2.codes.FOUND:
            return self._follow(answer)
        if answer.status_code == httpx2.codes.OK:
            return str(answer.text)
        raise StoryFailed(f"{self.username}: {address} was refused: {_said(answer.text)}")

    def again(self, text: str, address: str, holding: str, **entered: str) -> str:
        """Send the form that the step before came back with."""
        reader = _Forms()
        reader.feed(text)
        form = next(one for one in reader.forms if holding in one)
        return self._send(address, form | entered)

    def _follow(self, answer: httpx2.Response) -> str:
        there = self.line.get(answer.headers["Location"])
        if there.status_code != httpx2.codes.OK:
            raise StoryFailed(f"{self.username}: {there.request.url.path} was answered with {there.status_code}")
        return str(there.text)


def outbox(phone: str) -> list[str]:
    """The texts that went to a number outside the app."""
    return [told["text"] for _, told in _messages() if told["to"] == phone]


def _messages() -> list[tuple[float, dict[str, str]]]:
    folder = Path(settings.OUTBOX_FOLDER) / "sms"
    found = [(path.stat().st_mtime, json.loads(path.read_text())) for path in folder.glob("*.json")]
    return sorted(found, key=lambda one: one[0])


def _code(phone: str, asked_at: float) -> str:
    for at, told in reversed(_messages()):
        if told["to"] == phone and at >= asked_at - 1:
            digits = re.search(r"\d{6}", told["text"])
            return digits.group() if digits else ""
    return ""


def _said(html: str) -> str:
    """What a page says against it, without its markup."""
    found = re.findall(r'class="ms-(?:error|notice[^"]*)"[^>]*>(.*?)</(?:p|section)>', html, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>|\s+", " ", one).strip() for one in found)[:500] or html[:200]


class _Forms(HTMLParser):
    """Reads the fields of every form as a browser would send them untouched."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Fields] = []
        self._select = self._textarea = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        name = known.get("name") or ""
        if tag == "form":
            self.forms.append({})
        elif not self.forms:
            return
        elif tag == "input" and name:
            if known.get("type") not in ("radio", "checkbox") or "checked" in known:
                self.forms[-1][name] = known.get("value") or ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in known or self._select not in self.forms[-1]):
            self.forms[-1][self._select] = known.get("value") or ""
        elif tag == "textarea":
            self._textarea = name
            self.forms[-1][name] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._textarea = ""

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.forms[-1][self._textarea] += data
