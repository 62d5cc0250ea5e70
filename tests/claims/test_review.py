"""From filing to the insurer's word: what is held and released, who binds whom, and the same message twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import DatabaseError

from claims.models import Claim, Decision
from claims.services.decisions import DecisionDraft, DecisionInvalid, DecisionNumberUsed
from claims.services.desk import ClaimMoved, ClaimWithdrawn
from claims.services.ends import AppealByAnother, AppealOver
from claims.services.jobs import PUSH, TAKE, TELL, event_subject
from claims.services.materials import MaterialsMissing, MaterialsRequestInvalid, SupervisorNeeded, materials_answered
from claims.services.review import ClaimDecided, confirmation_decide, prereview_pass
from claims.states import ClaimState, DecisionWord, PaperState, Stage
from core.errors import Problem
from registry.states import DocumentKind
from tests.claims.house import (
    CLERK,
    COLLEAGUE,
    IN,
    PATIENT,
    PAYABLE,
    REVIEWER,
    SUPERVISOR,
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
    filed,
    fresh,
    held_and_used,
    in_confirmation,
    in_prereview,
    passed,
    passing,
    reopened,
    uploaded,
    withdrawn,
)
from tests.registry.house import NOW, Shelf, authorisation_of, make_shelf
from tests.roles import rows

S = ClaimState
CAPS = ("ANNUAL_CAP", "CATEGORY_CAP", "DRUG_CAP", "SUM_INSURED")


def jobs() -> list[tuple[str, str]]:
    return [(kind, str(subject)) for kind, subject in rows("SELECT kind, subject_id FROM journal_job ORDER BY id")]


def counted(claim: Claim) -> set[tuple[int, int]]:
    """(held, used) of all caps, which always agree."""
    found = held_and_used(claim.policy, claim.person)
    return {found[kind] for kind in CAPS}


@pytest.mark.parametrize(
    ("state", "held", "used"),
    [
        (S.SUBMITTED, PAYABLE, 0),
        (S.IN_PREREVIEW, PAYABLE, 0),
        (S.MATERIALS_REQUESTED, PAYABLE, 0),
        (S.IN_CONFIRMATION, PAYABLE, 0),
        (S.INVESTIGATION, PAYABLE, 0),
        (S.PREREVIEW_DECLINED, 0, 0),
        (S.CONFIRMED, 0, PAYABLE),
        (S.PARTLY_CONFIRMED, 0, PAYABLE // 2),
        (S.DECLINED, 0, 0),
        (S.APPEALED, PAYABLE, 0),
        (S.WITHDRAWN, 0, 0),
        (S.CLOSED, 0, PAYABLE),
    ],
)
def test_what_a_claim_holds_and_has_used_in_each_state(shelf: Shelf, state: ClaimState, held: int, used: int) -> None:
    assert counted(IN[state](shelf)) == {(held, used)}


def part_upheld(shelf: Shelf) -> Claim:
    return appeal_decided(appealed(decided(in_confirmation(shelf), approving_part())), uphold=True)


@pytest.mark.parametrize(
    ("ending", "held", "used"),
    [
        pytest.param(part_upheld, 0, PAYABLE // 2, id="a part that was upheld"),
        pytest.param(
            lambda shelf: appeal_decided(appealed(IN[S.DECLINED](shelf)), uphold=True), 0, 0, id="a refusal upheld"
        ),
        pytest.param(
            lambda shelf: appeal_decided(appealed(IN[S.PREREVIEW_DECLINED](shelf)), uphold=True), 0, 0, id="and earlier"
        ),
        pytest.param(
            lambda shelf: appeal_decided(appealed(IN[S.DECLINED](shelf)), uphold=False), PAYABLE, 0, id="an appeal won"
        ),
        pytest.param(lambda shelf: reopened(IN[S.CONFIRMED](shelf)), PAYABLE, 0, id="confirmed, then opened again"),
        pytest.param(lambda shelf: reopened(IN[S.CLOSED](shelf)), PAYABLE, 0, id="closed, then opened again"),
        pytest.param(
            lambda shelf: decided(reopened(IN[S.CONFIRMED](shelf)), declining()), 0, 0, id="opened and then declined"
        ),
        pytest.param(
            lambda shelf: decided(reopened(IN[S.PARTLY_CONFIRMED](shelf)), approving()), 0, PAYABLE, id="then confirmed"
        ),
        pytest.param(lambda shelf: closed(IN[S.DECLINED](shelf)), 0, 0, id="a refusal closed"),
    ],
)
def test_what_is_held_after_each_way_back(shelf: Shelf, ending: Callable[[Shelf], Claim], held: int, used: int) -> None:
    assert counted(ending(shelf)) == {(held, used)}


def test_filing_fixes_terms_amounts_parties_and_makes_the_next_floors_job(shelf: Shelf) -> None:
    claim = filed(shelf)
    assert (claim.payable_minor, claim.terms_id, claim.confirmation_mode) == (
        PAYABLE,
        shelf.terms.pk,
        "BEFORE_HANDOVER",
    )
    assert list(claim.lines.values_list("payable_minor", "ratio_basis_points")) == [(PAYABLE, 8_000)]
    assert list(claim.parties.values_list("organisation_id", "role", "basis_points")) == [
        (shelf.insurer.pk, "LEAD_INSURER", 10_000)
    ]
    (event,) = claim.events.filter(kind="claim.submitted")
    assert (TAKE, str(claim.pk)) in jobs()
    assert (TELL, str(event_subject(event.pk))) in jobs()


def test_a_large_claim_needs_its_paper_originals(db: None) -> None:
    claim = filed(make_shelf(paper_above_minor=PAYABLE - 1))
    assert claim.paper == PaperState.DUE
    assert claim.events.filter(kind="paper.due").exists()


def test_a_claim_at_the_sum_needs_none(db: None) -> None:
    assert filed(make_shelf(paper_above_minor=PAYABLE)).paper == PaperState.NOT_NEEDED


def test_what_passes_goes_to_the_insurer(shelf: Shelf) -> None:
    claim = in_confirmation(shelf)
    assert (claim.state, claim.stage, claim.recommended_minor) == (S.IN_CONFIRMATION, Stage.CONFIRMATION, PAYABLE)
    assert (PUSH, str(claim.pk)) in jobs()


@pytest.mark.parametrize(
    ("limit", "re_review", "state"),
    [
        pytest.param(PAYABLE, False, S.CONFIRMED, id="within its limit the pre-review binds the insurer"),
        pytest.param(PAYABLE - 1, False, S.IN_CONFIRMATION, id="one fen above it does not"),
        pytest.param(PAYABLE, True, S.IN_CONFIRMATION, id="drawn for a second look it does not"),
    ],
)
def test_a_delegated_product(db: None, limit: int, re_review: bool, state: ClaimState) -> None:
    shelf = make_shelf(confirmation_mode="DELEGATED", delegated_limit_minor=limit)
    claim = passed(begun(filed(shelf), risk="LOW", re_review=re_review))
    assert claim.state == state
    delegated = list(claim.decisions.filter(delegated=True).values_list("stage", "word", "amount_minor"))
    assert delegated == ([("CONFIRMATION", "APPROVE", PAYABLE)] if state == S.CONFIRMED else [])


@pytest.mark.parametrize(
    ("decision", "why"),
    [
        (replace(passing(), word=DecisionWord.DECLINE), "not a word of this"),
        (passing(PAYABLE + 1), "outside 0 to"),
        (passing(PAYABLE - 1), "quotes its clause"),
        (passing(0), "nothing at all"),
        (passing(seconded_by=REVIEWER), "seconded by somebody else"),
        (passing(lines=[{"line_no": 1, "amount_minor": 1, "clause": ""}]), "do not sum"),
        (passing(lines=[{"line_no": 9, "amount_minor": PAYABLE, "clause": ""}]), "none of the claim's"),
    ],
)
def test_a_recommendation_that_cannot_stand(shelf: Shelf, decision: DecisionDraft, why: str) -> None:
    claim = in_prereview(shelf)
    with pytest.raises(DecisionInvalid, match=why):
        prereview_pass(claim_id=claim.pk, version=claim.version, decision=decision, now=NOW, trace_id=TRACE)
    assert fresh(claim).state == S.IN_PREREVIEW
    assert not claim.decisions.exists()


def test_less_than_the_payable_is_recommended_with_its_clause(shelf: Shelf) -> None:
    claim = passed(in_prereview(shelf), amount=300_000, clause="Article 7", clause_zh="第7条")
    assert claim.recommended_minor == 300_000
    assert decided(claim, approving(300_000)).confirmed_minor == 300_000


@pytest.mark.parametrize(
    ("decision", "problem"),
    [
        (approving(PAYABLE - 1), DecisionInvalid),
        (approving(PAYABLE + 1), DecisionInvalid),
        (approving_part(PAYABLE), DecisionInvalid),
        (approving_part(0), DecisionInvalid),
        (approving_part(clause=""), DecisionInvalid),
        (declining(clause=" "), DecisionInvalid),
        (declining(amount_minor=5), DecisionInvalid),
        (replace(approving(), by=""), DecisionInvalid),
    ],
)
def test_an_insurers_word_that_cannot_stand(shelf: Shelf, decision: DecisionDraft, problem: type[Problem]) -> None:
    claim = in_confirmation(shelf)
    with pytest.raises(problem):
        decided(claim, decision)
    assert fresh(claim).state == S.IN_CONFIRMATION
    assert counted(claim) == {(PAYABLE, 0)}


def message(number: str = "D-1", digest: str = "a" * 64, decision: DecisionDraft | None = None) -> DecisionDraft:
    return replace(decision or approving(by="insurer:INS-LIFE"), external_no=number, digest=digest)


def sent(claim: Claim, decision: DecisionDraft) -> Decision:
    return confirmation_decide(claim_id=claim.pk, version=None, decision=decision, now=NOW, trace_id=TRACE)


def test_the_same_decision_twice_counts_once(shelf: Shelf) -> None:
    claim = in_confirmation(shelf)
    first = sent(claim, message())
    assert sent(claim, message()) == first
    assert (counted(claim), claim.decisions.filter(stage="CONFIRMATION").count()) == ({(0, PAYABLE)}, 1)


def test_the_same_decision_is_known_again_after_the_claim_was_closed(shelf: Shelf) -> None:
    claim = in_confirmation(shelf)
    first = sent(claim, message())
    closed(claim)
    assert sent(claim, message()) == first


@pytest.mark.parametrize(
    "other",
    [message(digest="b" * 64), message(decision=declining("insurer:INS-LIFE")), message(decision=approving_part())],
)
def test_another_content_under_the_same_number_is_refused(shelf: Shelf, other: DecisionDraft) -> None:
    claim = in_confirmation(shelf)
    sent(claim, message())
    with pytest.raises(DecisionNumberUsed):
        sent(claim, other)
    assert fresh(claim).state == S.CONFIRMED


def test_a_second_decision_under_a_new_number_is_refused(shelf: Shelf) -> None:
    claim = in_confirmation(shelf)
    sent(claim, message())
    with pytest.raises(ClaimDecided):
        sent(claim, message("D-2", decision=declining("insurer:INS-LIFE")))


def test_a_decision_for_a_withdrawn_claim_is_refused_and_nothing_moves(shelf: Shelf) -> None:
    claim = withdrawn(in_confirmation(shelf))
    with pytest.raises(ClaimWithdrawn):
        sent(claim, message())
    assert (counted(claim), fresh(claim).state) == ({(0, 0)}, S.WITHDRAWN)


def test_a_decision_on_what_was_seen_before_is_refused(shelf: Shelf) -> None:
    claim = in_prereview(shelf)
    asked(claim)
    with pytest.raises(ClaimMoved):
        prereview_pass(claim_id=claim.pk, version=claim.version, decision=passing(), now=NOW, trace_id=TRACE)


def test_a_confirmed_cycle_is_used_of_its_authorisation(shelf: Shelf) -> None:
    authorisation = authorisation_of(shelf.policy, shelf.person, shelf.drug)
    claim = in_confirmation(shelf, authorisation_id=authorisation.pk, cycle_no=1)
    decided(claim, approving())
    assert rows("SELECT cycles_used FROM registry_authorisation WHERE id = %s", [authorisation.pk]) == [(1,)]


def test_a_second_request_for_materials_needs_a_supervisor_and_a_reason(shelf: Shelf) -> None:
    claim = in_prereview(shelf)
    asked(claim)
    uploaded(claim, DocumentKind.PATHOLOGY)
    materials_answered(claim_id=claim.pk, by=PATIENT, on_behalf=False, now=NOW, trace_id=TRACE)
    incomplete: list[dict[str, Any]] = [
        {},
        {"supervisor": SUPERVISOR},
        {"supervisor": REVIEWER, "why_not_before": "forgotten"},
        {"supervisor": SUPERVISOR, "why_not_before": "  "},
    ]
    for missing in incomplete:
        with pytest.raises(SupervisorNeeded):
            asked(claim, **missing)
    request = asked(claim, supervisor=SUPERVISOR, why_not_before="The report names another type.")
    assert (request.number, fresh(claim).state) == (2, S.MATERIALS_REQUESTED)


def test_the_insurers_request_after_the_pre_reviews_is_a_second_one(shelf: Shelf) -> None:
    claim = in_prereview(shelf)
    asked(claim)
    uploaded(claim, DocumentKind.PATHOLOGY)
    materials_answered(claim_id=claim.pk, by=PATIENT, on_behalf=False, now=NOW, trace_id=TRACE)
    passed(claim)
    with pytest.raises(SupervisorNeeded):
        asked(claim, by=CLERK)


@pytest.mark.parametrize(
    "changes",
    [
        {"items": []},
        {"items": [{"kind": "A SONG", "reason": "r", "reason_zh": "r"}]},
        {"items": [{"kind": "PATHOLOGY", "reason": "r", "reason_zh": "r"}] * 2},
        {"items": [{"kind": "PATHOLOGY", "reason": "r", "reason_zh": " "}]},
        {"message": ""},
        {"message_zh": " "},
        {"answer_by": NOW.date().replace(day=24)},
    ],
)
def test_a_request_for_materials_that_cannot_go_out(shelf: Shelf, changes: dict[str, Any]) -> None:
    claim = in_prereview(shelf)
    with pytest.raises(MaterialsRequestInvalid):
        asked(claim, **changes)
    assert fresh(claim).state == S.IN_PREREVIEW


def test_an_answer_without_what_was_asked_for_says_what_is_missing(shelf: Shelf) -> None:
    claim = in_prereview(shelf)
    asked(claim)
    with pytest.raises(MaterialsMissing, match="PATHOLOGY"):
        materials_answered(claim_id=claim.pk, by=PATIENT, on_behalf=False, now=NOW, trace_id=TRACE)
    answered = materials_answered(
        claim_id=claim.pk, by=PATIENT, on_behalf=True, missing_because="lost in a fire", now=NOW, trace_id=TRACE
    )
    assert answered.state == S.IN_PREREVIEW
    entry = answered.events.get(kind="materials.answered")
    assert (entry.details["missing"], entry.on_behalf) == (["PATHOLOGY"], True)


def test_materials_asked_by_the_insurer_come_back_to_the_insurer(shelf: Shelf) -> None:
    claim = in_confirmation(shelf)
    rows("DELETE FROM journal_job")
    asked(claim, by=CLERK)
    uploaded(claim, DocumentKind.PATHOLOGY)
    back = materials_answered(claim_id=claim.pk, by=PATIENT, on_behalf=False, now=NOW, trace_id=TRACE)
    assert back.state == S.IN_CONFIRMATION
    assert (PUSH, str(claim.pk)) in jobs()


@pytest.mark.parametrize("by", [CLERK, COLLEAGUE])
def test_an_appeal_is_decided_by_neither_of_the_two_names(shelf: Shelf, by: str) -> None:
    claim = appealed(decided(in_confirmation(shelf), declining(seconded_by=COLLEAGUE)))
    with pytest.raises(AppealByAnother):
        appeal_decided(claim, uphold=True, by=by)
    assert appeal_decided(claim, uphold=True, by="third").state == S.DECLINED


def test_an_appeal_that_wins_is_reviewed_anew_and_can_be_confirmed(shelf: Shelf) -> None:
    claim = declined_in_prereview(in_prereview(shelf))
    won = appeal_decided(appealed(claim), uphold=False)
    assert (won.state, won.stage, won.episode) == (S.IN_PREREVIEW, Stage.PREREVIEW, 2)
    assert decided(passed(won), approving()).state == S.CONFIRMED


def test_an_appeal_that_was_decided_is_not_filed_again(shelf: Shelf) -> None:
    claim = appeal_decided(appealed(IN[S.DECLINED](shelf)), uphold=True)
    with pytest.raises(AppealOver, match="was decided"):
        appealed(claim)


def test_an_upheld_part_is_still_the_part_that_was_confirmed(shelf: Shelf) -> None:
    claim = part_upheld(shelf)
    assert (claim.state, claim.confirmed_minor) == (S.PARTLY_CONFIRMED, PAYABLE // 2)


def test_a_decision_is_append_only(shelf: Shelf) -> None:
    decided(in_confirmation(shelf), approving())
    with pytest.raises(DatabaseError, match="append-only"):
        rows("UPDATE claims_decision SET amount_minor = 1")
