"""The Chinese catalogue: the compiled file says what the readable one says, and every word of ours is in it."""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path
from string import Formatter

import pytest
from django.utils import translation

from exchange.reasons import REASONS
from portal.advice import STAFF_FIXES
from portal.labels import LABELS, reason_told, word_told
from tests.world import ROOT

FOLDER = ROOT / "platform" / "portal" / "locale" / "zh_Hans" / "LC_MESSAGES"
SOURCES = [
    *(ROOT / "platform" / "portal").rglob("*.py"),
    *(ROOT / "hospitals" / "portal").rglob("*.py"),
    *(ROOT / "insurers" / "portal").rglob("*.py"),
    *(ROOT / "prereview" / "portal").rglob("*.py"),
    *(ROOT / "templates" / "portals").rglob("*.html"),
    ROOT / "platform" / "accounts" / "forms.py",
]
STRING = r'"((?:[^"\\]|\\.)*)"'
# A long sentence stands as several strings in a row.
CALLS = re.compile(r"""\b(?:gettext|gettext_lazy|ngettext|_)\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)""")
TAGS = re.compile(r"""{%\s*translate\s+(?:"([^"]*)"|'([^']*)')""")
BLOCKS = re.compile(r"{%\s*blocktranslate[^%]*%}(.*?){%\s*endblocktranslate\s*%}", re.DOTALL)


def readable() -> dict[str, str]:
    """msgid -> translation, as the .po file has them; a plural stands under its singular."""
    entries: dict[str, str] = {}
    for block in (FOLDER / "django.po").read_text().split("\n\n"):
        fields = {
            name: ast.literal_eval(f'"{text}"')
            for name, text in re.findall(rf"^(msg\S+) {STRING}$", block, re.MULTILINE)
        }
        if fields.get("msgid"):
            entries[fields["msgid"]] = fields.get("msgstr", fields.get("msgstr[0]", ""))
    return entries


def compiled() -> dict[str, str]:
    with (FOLDER / "django.mo").open("rb") as file:
        catalogue: dict[str | tuple[str, int], str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    return {key[0] if isinstance(key, tuple) else key: text for key, text in catalogue.items() if key}


def words_of(path: Path) -> set[str]:
    """The strings that a file asks translations of."""
    text = path.read_text()
    if path.suffix == ".py":
        return {ast.literal_eval(f"({found})") for found in CALLS.findall(text)}
    blocks = {" ".join(re.sub(r"{{\s*(\w+)\s*}}", r"%(\1)s", found).split()) for found in BLOCKS.findall(text)}
    return blocks | {double or single for double, single in TAGS.findall(text)}


def test_the_compiled_catalogue_is_up_to_date() -> None:
    assert compiled() == readable(), "compile it again: msgfmt --check -o django.mo django.po"


def test_every_word_of_ours_is_translated() -> None:
    known = readable()
    with translation.override("zh-hans"):
        missing = {
            word
            for path in SOURCES
            for word in words_of(path)
            if not known.get(word) and translation.gettext(word) == word
        }
    assert missing == set()


def test_every_reason_says_what_to_do_in_chinese() -> None:
    with translation.override("zh-hans"):
        for code in REASONS:
            for sentence in reason_told(code):
                assert sentence, code
                assert not re.search(r"[a-z]{3,}", sentence), code


def test_staff_are_told_what_to_do_in_words_of_their_own() -> None:
    assert set(REASONS) <= set(STAFF_FIXES)
    for code in REASONS:
        detail, fix = reason_told(code)
        assert not re.search(r"GET|his_no|retry_of|insurer_text", detail + fix), code


def test_an_explanation_of_the_exchange_is_translated() -> None:
    with translation.override("zh-hans"):
        assert "HTTP 状态码 503" in word_told("answer_not_trusted:HTTP status 503")
        assert "平台内部发送出错" in word_told("answer_not_trusted:sending raised ReadTimeout")
        assert word_told("DONE") == "成功"
        assert word_told("0190-a-message-id") == ""


def test_every_reason_of_distrust_is_translated() -> None:
    said = set()
    for path in (ROOT / "platform" / "exchange").rglob("*.py"):
        said |= set(re.findall(r"""(?:untrusted|EnvelopeBroken)\(f?"([^"]+)"\)""", path.read_text()))
    assert len(said) > 15
    with translation.override("zh-hans"):
        for words in said:
            shown = word_told("answer_not_trusted:" + re.sub(r"{[^}]*}", "503", words))
            assert not re.search(r"[a-z]{2,}", shown.replace("HTTP", "")), words


@pytest.mark.parametrize("kind", LABELS)
def test_every_code_has_a_chinese_word(kind: str) -> None:
    with translation.override("zh-hans"):
        assert not [
            code for code, (word, _tone) in LABELS[kind].items() if re.search("[A-Za-z]", str(word).replace("HIS", ""))
        ]


def test_no_translation_lacks_a_placeholder() -> None:
    for source, text in readable().items():
        assert set(re.findall(r"%\(\w+\)", source)) == set(re.findall(r"%\(\w+\)", text)), source
        assert [field for _, field, _, _ in Formatter().parse(text)] == [None] * len(list(Formatter().parse(text)))
