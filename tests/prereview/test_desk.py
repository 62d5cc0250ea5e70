"""Whose the pre-review is: the platform's reviewers act, nobody else's, and nobody outside reads its notes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from accounts.states import OrganisationKind, Role
from claims.models import Claim
from core.errors import Forbidden, Problem
from core.ids import new_trace_id
from core.row_security import seen_by
from prereview.models import AskWaiting, SecondLook
from prereview.services.bench import (
    ReasonMissing,
    review_ask,
    review_decline,
    review_investigate,
    review_pass,
    review_take,
)
from prereview.services.looks import second_look
from tests.prereview.house import Desk, fresh, make_desk, reviewer, taken
from tests.registry.house import NOW, TODAY, insurer_of, make_shelf
from tests.roles import as_role, refused, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return make_desk(make_shelf(materials=[]))


ITEMS = [{"kind": "INVOICE", "reason": "it is missing", "reason_zh": "缺少"}]
WORDS: dict[str, Any] = {"message": "Please.", "message_zh": "请。", "answer_by": TODAY}
CLAUSE: dict[str, Any] = {"clause": "Article 1", "clause_zh": "第1条", "explanation": "No."}
ACTS: dict[str, Callable[..., Any]] = {
    "take": lambda claim, user, **_: review_take(claim_id=claim.pk, user=user, now=NOW),
    "pass": lambda claim, user, **known: review_pass(
        claim_id=claim.pk, user=user, amounts_minor={1: 400_000}, risk="LOW", **CLAUSE, **known
    ),
    "decline": lambda claim, user, **known: review_decline(
        claim_id=claim.pk, user=user, reason_code="early", **CLAUSE, **known
    ),
    "ask": lambda claim, user, **known: review_ask(claim_id=claim.pk, user=user, items=ITEMS, **WORDS, **known),
    "investigate": lambda claim, user, **known: review_investigate(claim_id=claim.pk, user=user, reason="why", **known),
    "look": lambda claim, user, **_: second_look(claim_id=claim.pk, agrees=True, note="", user=user, now=NOW),
}


def known(claim: Claim) -> dict[str, Any]:
    return {"version": claim.version, "now": NOW, "trace_id": new_trace_id()}


@pytest.mark.parametrize("act", ACTS)
def test_only_the_platforms_reviewers_act(desk: Desk, act: str) -> None:
    claim = taken(desk.shelf)
    strangers: list[User] = [
        reviewer(insurer_of("TPA-1", OrganisationKind.TPA), "theirs", Role.REVIEWER),
        reviewer(desk.home, "operator", Role.OPERATOR),
        reviewer(desk.shelf.insurer, "clerk", Role.INSURER_CLERK),
    ]
    for user in strangers:
        with pytest.raises(Forbidden):
            ACTS[act](claim, user, **known(claim))
    assert (fresh(claim.pk).state, fresh(claim.pk).version) == (claim.state, claim.version)


def test_a_second_ask_without_its_reason_is_refused(desk: Desk) -> None:
    claim = taken(desk.shelf)
    rows("UPDATE claims_claim SET materials_asked = 1, version = version + 1 WHERE id = %s", [claim.pk])
    with pytest.raises(ReasonMissing):
        ACTS["ask"](claim, desk.lin, **known(fresh(claim.pk)))
    assert not AskWaiting.objects.exists()


def test_the_database_lets_no_second_ask_out_under_one_name(desk: Desk) -> None:
    claim = taken(desk.shelf)
    rows("UPDATE claims_claim SET materials_asked = 1, version = version + 1 WHERE id = %s", [claim.pk])
    review_ask(claim_id=claim.pk, user=desk.lin, items=ITEMS, why_not_before="late", **WORDS, **known(fresh(claim.pk)))
    with refused("a_second_ask_is_let_out_by_another"):
        rows("UPDATE prereview_askwaiting SET outcome = 'ASKED', ended_by = 'lin' WHERE claim_id = %s", [claim.pk])


def test_neither_insurer_nor_stranger_reads_what_waits_or_what_a_second_look_said(desk: Desk) -> None:
    claim = taken(desk.shelf)
    changed = "UPDATE claims_claim SET materials_asked = 1, re_review = true, version = version + 1 WHERE id = %s"
    rows(changed, [claim.pk])
    review_ask(claim_id=claim.pk, user=desk.lin, items=ITEMS, why_not_before="late", **WORDS, **known(fresh(claim.pk)))
    ACTS["pass"](claim, desk.lin, **known(fresh(claim.pk)))
    second_look(claim_id=claim.pk, agrees=True, note="", user=desk.mei, now=NOW)
    for organisation in (desk.shelf.insurer, desk.shelf.stranger):
        with as_role("app"), seen_by([organisation.pk]):
            assert not AskWaiting.objects.exists()
            assert not SecondLook.objects.exists()


@pytest.mark.parametrize(("agrees", "note"), [(False, ""), (False, "  ")])
def test_a_second_look_that_disagrees_says_why(desk: Desk, agrees: bool, note: str) -> None:
    claim = taken(desk.shelf)
    rows("UPDATE claims_claim SET re_review = true, version = version + 1 WHERE id = %s", [claim.pk])
    ACTS["pass"](claim, desk.lin, **known(fresh(claim.pk)))
    with pytest.raises(Problem, match="has a note"):
        second_look(claim_id=claim.pk, agrees=agrees, note=note, user=desk.mei, now=NOW)
