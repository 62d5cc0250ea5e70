"""Every page of the bench in Chinese: no English word is left but data, codes and the names we keep."""

from __future__ import annotations

import re
from typing import Any

from claims.states import ClaimState
from prereview.models import AskWaiting
from prereview.portal.forms import FORMS
from tests.hospitals.portal.test_chinese import Words
from tests.prereview.house import Desk, fresh, taken
from tests.prereview.portal.conftest import bench_of
from tests.prereview.portal.test_bench import ASK, act, asked_twice, send_ask

# Codes and names of people that are data wherever they stand.
KEPT = re.compile(r"TRAST-440|HER2|CNY|C\d{6}-[0-9A-Z]{7}|>\s*(Tang|Mei|Lin)\b")


def english_words(page: Any) -> set[str]:
    words = Words()
    words.feed(KEPT.sub(">", page.content.decode()))
    return words.found


def test_no_page_shows_an_untranslated_word(desk: Desk) -> None:
    claim, _lin = asked_twice(desk)
    other = taken(desk.shelf, invoice_no="FP-1")
    third = taken(desk.shelf, invoice_no="FP-1", urgent=True)
    bench = bench_of(desk.tang, "zh-hans")
    bench.take(third)
    ask = AskWaiting.objects.get(claim=claim)
    addresses = ["", "asks/", f"asks/{ask.pk}/", "rules/", "nowhere", "?q=none", "search/?s=none"]
    addresses += [f"?bucket={name}" for name in ("mine", "asked", "investigation", "appeals", "drawn")]
    addresses += [f"claims/{one.pk}/" for one in (claim, other, third)]
    addresses += [f"claims/{third.pk}/{name}/" for name in FORMS]
    for address in addresses:
        page = bench.get(address)
        assert page.status_code in (200, 404), address
        assert english_words(page) == set(), address


def test_what_is_wrong_with_a_form_is_said_in_chinese(desk: Desk) -> None:
    claim, bench = taken(desk.shelf), bench_of(desk.mei, "zh-hans")
    bench.take(claim)
    pages = [
        act(bench, claim, "pass", line_1="9000", risk="LOW"),
        act(bench, claim, "decline", clause="0"),
        act(bench, claim, "ask", answer_by="2020-01-01"),
        act(bench, claim, "ask", **ASK),
    ]
    pages.append(act(bench, claim, "decline", version=0, reason_code="early", clause="0", explanation="x"))
    assert [page.status_code for page in pages] == [422, 422, 422, 200, 409]
    for page in pages[:3]:
        assert english_words(page) == set()
    assert "在您打开后已被他人更改" in pages[-1].content.decode()
    send_ask(bench, claim)
    assert fresh(claim.pk).state == ClaimState.MATERIALS_REQUESTED
