"""No message outside the app carries a drug, an illness, an insurer or an amount: every template is read."""

from __future__ import annotations

import re
from string import Formatter

import pytest

from claims.services.jobs import TOLD
from notices.states import Category
from notices.wordings import INSIDE_NAMES, OUTSIDE_NAMES, SIGN_IN_CODE, WORDINGS

FORBIDDEN = re.compile(
    # Drug and pharmacy, illness, insurer and its decision, money: in either language.
    r"drug|medicin|pharma|prescri|dose|therap|treat|"
    r"ill|disease|diagnos|cancer|tumou?r|patient|hospital|doctor|"
    r"insur|polic|claim|cover|approv|declin|refus|confirm|"
    r"amount|pay|paid|money|yuan|cny|rmb|price|cost|fee|¥|￥|\$|"
    r"药|处方|剂|治疗|病|症|癌|瘤|诊|患|医院|医生|保险|保单|理赔|承保|拒|赔|金额|支付|付款|元|费|价",
    re.IGNORECASE,
)
OUTSIDE = [
    *((f"{kind} en", wording.outside) for kind, wording in WORDINGS.items()),
    *((f"{kind} zh", wording.outside_zh) for kind, wording in WORDINGS.items()),
    ("sign-in code en", SIGN_IN_CODE[0]),
    ("sign-in code zh", SIGN_IN_CODE[1]),
]


def names_in(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


@pytest.mark.parametrize(("kind", "template"), OUTSIDE, ids=[kind for kind, _ in OUTSIDE])
def test_what_leaves_says_nothing_that_is_nobodys_business(kind: str, template: str) -> None:
    words = Formatter().vformat(template, (), dict.fromkeys(OUTSIDE_NAMES, ""))
    assert FORBIDDEN.findall(words) == []
    assert names_in(template) <= OUTSIDE_NAMES
    # A figure that stands in the words could be an amount; minutes of validity are none.
    assert re.findall(r"\d+", words.replace("5 minutes", "").replace("5 分钟", "")) == []


@pytest.mark.parametrize("leak", ["Your drug is ready", "理赔金额", "乳腺癌", "paid 500", "Insurer", "您的药品已到"])
def test_the_scan_finds_what_it_looks_for(leak: str) -> None:
    assert FORBIDDEN.search(leak)


@pytest.mark.parametrize("kind", sorted(WORDINGS))
def test_the_inbox_names_only_what_a_notice_may_hold(kind: str) -> None:
    wording = WORDINGS[kind]
    for text in (wording.text, wording.text_zh):
        assert names_in(text) <= INSIDE_NAMES
    assert names_in(wording.text) == names_in(wording.text_zh)
    assert names_in(wording.title + wording.title_zh) == set()
    assert re.search(r"[一-鿿]", wording.text_zh + wording.title_zh)
    assert not re.search(r"[一-鿿]", wording.text + wording.title + wording.outside)
    assert wording.category in Category


def test_whatever_a_claim_tells_has_its_wording() -> None:
    assert set(WORDINGS) >= TOLD
