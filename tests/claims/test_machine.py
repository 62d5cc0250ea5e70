"""The machine of a claim: the whole table, in Python, in PostgreSQL, and through the services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django_fsm import TransitionNotAllowed

from claims.models import Claim
from claims.services.desk import ClaimStateRefuses, ClaimWithdrawn
from claims.services.drafts import claim_change, claim_submit
from claims.services.ends import AppealOver
from claims.services.materials import materials_answered
from claims.services.review import ClaimDecided, investigation_end
from claims.states import ClaimState
from core.models import Transition
from tests.claims.house import (
    CLERK,
    IN,
    PATIENT,
    REVIEWER,
    TRACE,
    appeal_decided,
    appealed,
    approving,
    approving_part,
    asked,
    begun,
    closed,
    decided,
    declined_in_prereview,
    declining,
    draft_of,
    filed,
    fresh,
    investigated,
    passed,
    reopened,
    withdrawn,
)
from tests.registry.house import NOW, Shelf
from tests.roles import refused, rows

S = ClaimState
# The table, written down a second time.
MOVES: dict[ClaimState, set[ClaimState]] = {
    S.DRAFT: {S.SUBMITTED, S.WITHDRAWN},
    S.SUBMITTED: {S.IN_PREREVIEW, S.WITHDRAWN},
    S.IN_PREREVIEW: {S.MATERIALS_REQUESTED, S.PREREVIEW_PASSED, S.PREREVIEW_DECLINED, S.INVESTIGATION, S.WITHDRAWN},
    S.MATERIALS_REQUESTED: {S.IN_PREREVIEW, S.IN_CONFIRMATION, S.WITHDRAWN},
    S.PREREVIEW_PASSED: {S.IN_CONFIRMATION, S.CONFIRMED, S.WITHDRAWN},
    S.PREREVIEW_DECLINED: {S.APPEALED, S.CLOSED},
    S.IN_CONFIRMATION: {
        *(S.MATERIALS_REQUESTED, S.INVESTIGATION, S.CONFIRMED, S.PARTLY_CONFIRMED, S.DECLINED, S.WITHDRAWN),
    },
    S.INVESTIGATION: {S.IN_PREREVIEW, S.IN_CONFIRMATION},
    S.CONFIRMED: {S.REOPENED, S.CLOSED},
    S.PARTLY_CONFIRMED: {S.APPEALED, S.REOPENED, S.CLOSED},
    S.DECLINED: {S.APPEALED, S.REOPENED, S.CLOSED},
    S.APPEALED: {S.REOPENED, S.PREREVIEW_DECLINED, S.PARTLY_CONFIRMED, S.DECLINED},
    S.REOPENED: {S.IN_PREREVIEW, S.IN_CONFIRMATION},
    S.WITHDRAWN: set(),
    S.CLOSED: {S.REOPENED},
}
METHODS = {
    "submit": S.SUBMITTED,
    "take_into_prereview": S.IN_PREREVIEW,
    "request_materials": S.MATERIALS_REQUESTED,
    "pass_prereview": S.PREREVIEW_PASSED,
    "decline_in_prereview": S.PREREVIEW_DECLINED,
    "take_into_confirmation": S.IN_CONFIRMATION,
    "investigate": S.INVESTIGATION,
    "confirm": S.CONFIRMED,
    "confirm_partly": S.PARTLY_CONFIRMED,
    "decline": S.DECLINED,
    "appeal": S.APPEALED,
    "uphold_prereview": S.PREREVIEW_DECLINED,
    "uphold_part": S.PARTLY_CONFIRMED,
    "uphold": S.DECLINED,
    "reopen": S.REOPENED,
    "withdraw": S.WITHDRAWN,
    "close": S.CLOSED,
}
# An appeal comes back to what it was; these do not go on to anywhere else from APPEALED.
FROM_APPEAL = ("uphold_prereview", "uphold_part", "uphold")


@pytest.mark.parametrize("state", list(S))
def test_python_allows_exactly_the_table(state: ClaimState) -> None:
    reached = set()
    for name, target in METHODS.items():
        claim = Claim(state=state)
        try:
            getattr(claim, name)()
        except TransitionNotAllowed:
            assert claim.state == state
        else:
            assert claim.state == target
            reached.add(target)
    assert reached == MOVES[state]


@pytest.mark.parametrize("name", FROM_APPEAL)
@pytest.mark.parametrize("state", [one for one in S if one != S.APPEALED])
def test_only_an_appeal_is_upheld(name: str, state: ClaimState) -> None:
    with pytest.raises(TransitionNotAllowed):
        getattr(Claim(state=state), name)()


@pytest.mark.django_db
def test_the_trigger_holds_the_same_table() -> None:
    ((arguments,),) = rows(
        "SELECT tgargs FROM pg_trigger WHERE tgname = 'state_guard' AND tgrelid = 'claims_claim'::regclass"
    )
    moves, births = bytes(arguments).decode().split("\0")[:2]
    assert set(moves.split(",")) == {f"{one}>{other}" for one, others in MOVES.items() for other in others}
    assert births == S.DRAFT


@pytest.mark.parametrize("state", list(S))
def test_postgresql_refuses_every_other_move(shelf: Shelf, state: ClaimState) -> None:
    claim = IN[state](shelf)
    for other in S:
        if other != state and other not in MOVES[state]:
            with refused("may not go from"):
                rows("UPDATE claims_claim SET state = %s, version = version + 1 WHERE id = %s", [other, claim.pk])


def answered(claim: Claim) -> Claim:
    because = "the hospital has none"
    return materials_answered(
        claim_id=claim.pk, by=PATIENT, on_behalf=False, missing_because=because, now=NOW, trace_id=TRACE
    )


def looked_into(claim: Claim) -> Claim:
    version = fresh(claim).version
    return investigation_end(
        claim_id=claim.pk, version=version, finding="nothing", by=REVIEWER, now=NOW, trace_id=TRACE
    )


def acts(shelf: Shelf) -> dict[str, Callable[[Claim], Any]]:
    return {
        "change": lambda claim: claim_change(
            claim_id=claim.pk, draft=draft_of(shelf), by=PATIENT, now=NOW, trace_id=TRACE
        ),
        "submit": lambda claim: claim_submit(claim_id=claim.pk, by=PATIENT, now=NOW, trace_id=TRACE),
        "begin": begun,
        "pass": passed,
        "decline in pre-review": declined_in_prereview,
        "ask": asked,
        "answer": answered,
        "investigate": investigated,
        "end investigation": looked_into,
        "approve": lambda claim: decided(claim, approving()),
        "approve partly": lambda claim: decided(claim, approving_part()),
        "decline": lambda claim: decided(claim, declining()),
        "withdraw": withdrawn,
        "appeal": appealed,
        "uphold": lambda claim: appeal_decided(claim, uphold=True),
        "win": lambda claim: appeal_decided(claim, uphold=False),
        "reopen": reopened,
        "close": closed,
    }


ALLOWED: dict[ClaimState, dict[str, ClaimState]] = {
    S.DRAFT: {"change": S.DRAFT, "submit": S.SUBMITTED, "withdraw": S.WITHDRAWN},
    S.SUBMITTED: {"begin": S.IN_PREREVIEW, "withdraw": S.WITHDRAWN},
    S.IN_PREREVIEW: {
        "pass": S.IN_CONFIRMATION,
        "decline in pre-review": S.PREREVIEW_DECLINED,
        "ask": S.MATERIALS_REQUESTED,
        "investigate": S.INVESTIGATION,
        "withdraw": S.WITHDRAWN,
    },
    S.MATERIALS_REQUESTED: {"answer": S.IN_PREREVIEW, "withdraw": S.WITHDRAWN},
    S.PREREVIEW_PASSED: {"withdraw": S.WITHDRAWN},
    S.PREREVIEW_DECLINED: {"appeal": S.APPEALED, "close": S.CLOSED},
    S.IN_CONFIRMATION: {
        "ask": S.MATERIALS_REQUESTED,
        "investigate": S.INVESTIGATION,
        "approve": S.CONFIRMED,
        "approve partly": S.PARTLY_CONFIRMED,
        "decline": S.DECLINED,
        "withdraw": S.WITHDRAWN,
    },
    S.INVESTIGATION: {"end investigation": S.IN_PREREVIEW},
    S.CONFIRMED: {"reopen": S.IN_CONFIRMATION, "close": S.CLOSED},
    S.PARTLY_CONFIRMED: {"appeal": S.APPEALED, "reopen": S.IN_CONFIRMATION, "close": S.CLOSED},
    S.DECLINED: {"appeal": S.APPEALED, "reopen": S.IN_CONFIRMATION, "close": S.CLOSED},
    S.APPEALED: {"uphold": S.DECLINED, "win": S.IN_CONFIRMATION},
    S.REOPENED: {"begin": S.IN_PREREVIEW},
    S.WITHDRAWN: {},
    S.CLOSED: {"reopen": S.IN_CONFIRMATION},
}
REFUSALS = (ClaimStateRefuses, ClaimWithdrawn, ClaimDecided, AppealOver)


@pytest.mark.parametrize("state", list(S))
def test_each_act_is_possible_in_its_states_and_in_no_other(shelf: Shelf, state: ClaimState) -> None:
    claim = IN[state](shelf)
    reached: dict[str, str] = {}
    for name, act in acts(shelf).items():
        point = transaction.savepoint()
        try:
            act(claim)
        except REFUSALS:
            # Refused for its state, and not for something else: any other problem fails the test.
            assert fresh(claim).state == state
        else:
            reached[name] = fresh(claim).state
        transaction.savepoint_rollback(point)
    assert reached == ALLOWED[state]


def test_every_move_leaves_its_line_in_the_history(shelf: Shelf) -> None:
    claim = decided(passed(begun(filed(shelf))), approving())
    history = Transition.objects.filter(entity="claims_claim", entity_id=str(claim.pk)).order_by("id")
    assert [(row.from_state, row.to_state, row.by) for row in history] == [
        (S.DRAFT, S.SUBMITTED, PATIENT),
        (S.SUBMITTED, S.IN_PREREVIEW, "rules"),
        (S.IN_PREREVIEW, S.PREREVIEW_PASSED, REVIEWER),
        (S.PREREVIEW_PASSED, S.IN_CONFIRMATION, REVIEWER),
        (S.IN_CONFIRMATION, S.CONFIRMED, CLERK),
    ]
    assert {row.trace_id for row in history} == {TRACE}


@pytest.mark.parametrize(
    "change",
    [
        "total_minor = total_minor + 1",
        "quantity = 99",
        "submitted_at = now()",
        "service_on = service_on - 1",
        "currency = 'USD'",
    ],
)
def test_what_was_claimed_does_not_change(shelf: Shelf, change: str) -> None:
    claim = filed(shelf)
    with refused("what was claimed does not change"):
        rows(f"UPDATE claims_claim SET version = version + 1, {change} WHERE id = '{claim.pk}'")


def test_a_claim_is_never_deleted(shelf: Shelf) -> None:
    claim = filed(shelf)
    with refused("never deleted|foreign key"):
        rows("DELETE FROM claims_claim WHERE id = %s", [claim.pk])
