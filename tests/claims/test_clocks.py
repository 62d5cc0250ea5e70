"""Statutory clocks at their edges; whose turn it is; and what new terms would do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from claims.models import Claim
from claims.selectors.impact import ClaimsImpact, claims_impact
from claims.selectors.timeline import clocks_late, clocks_of, event_by_subject, next_step, timeline_of
from claims.services.ends import AppealOver, claims_close_due
from claims.services.jobs import event_subject
from claims.services.materials import materials_answered, materials_overdue_return
from claims.states import ClaimState, ClockKind
from registry.states import DocumentKind
from tests.claims.house import (
    IN,
    PATIENT,
    TRACE,
    appealed,
    approving,
    asked,
    decided,
    drafted,
    fresh,
    in_confirmation,
    in_prereview,
    investigated,
    uploaded,
    withdrawn,
)
from tests.registry.house import NOW, OTHER_DRUG, TODAY, Shelf, terms_of
from tests.roles import rows

S = ClaimState
DAY = timedelta(days=1)


def midnight(day: date) -> datetime:
    """The first moment of the day in Shanghai."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=8)


def due(claim: Claim, kind: ClockKind) -> datetime:
    return fresh(claim).clocks.filter(kind=kind).latest("episode").due_at


def late(claim: Claim, now: datetime) -> list[str]:
    return [clock.kind for clock in clocks_late(now=now, limit=50) if clock.claim_id == claim.pk]


def test_the_deciding_clock_ends_with_the_fifth_day_after_filing(shelf: Shelf) -> None:
    claim = in_prereview(shelf)
    end = midnight(date(2026, 12, 1))
    assert due(claim, ClockKind.DECIDE) == end
    assert late(claim, end - timedelta(seconds=1)) == []
    assert late(claim, end) == ["DECIDE"]


def answer(claim: Claim, now: datetime) -> None:
    uploaded(claim, DocumentKind.PATHOLOGY, now=now)
    materials_answered(claim_id=claim.pk, by=PATIENT, on_behalf=False, now=now, trace_id=TRACE)


def test_the_patients_turn_does_not_count(shelf: Shelf) -> None:
    claim = in_prereview(shelf)
    asked(claim, now=NOW + DAY)
    # While it is his turn nothing of ours is late, however long it takes.
    assert late(claim, NOW + 12 * DAY) == []
    answer(claim, NOW + 4 * DAY)
    assert due(claim, ClockKind.DECIDE) == midnight(date(2026, 12, 1)) + 3 * DAY
    (clock,) = fresh(claim).clocks.filter(kind=ClockKind.DECIDE)
    assert clock.paused_seconds == 3 * 24 * 3600


def test_two_pauses_add_up(shelf: Shelf) -> None:
    claim = in_prereview(shelf)
    asked(claim, now=NOW)
    answer(claim, NOW + DAY)
    asked(claim, now=NOW + 2 * DAY, supervisor="rev-boss", why_not_before="unreadable")
    answer(claim, NOW + 4 * DAY)
    assert due(claim, ClockKind.DECIDE) == midnight(date(2026, 12, 1)) + 3 * DAY


def test_the_patients_own_deadline_runs_while_it_is_his_turn(shelf: Shelf) -> None:
    claim = in_prereview(shelf)
    asked(claim, answer_by=TODAY + 14 * DAY)
    end = midnight(TODAY + 15 * DAY)
    assert due(claim, ClockKind.MATERIALS) == end
    assert late(claim, end) == ["MATERIALS"]


def test_what_did_not_come_in_time_goes_back_to_the_reviewers(shelf: Shelf) -> None:
    claim = in_prereview(shelf)
    asked(claim, answer_by=TODAY + 14 * DAY)
    end = midnight(TODAY + 15 * DAY)
    assert materials_overdue_return(now=end, limit=10) == 0
    assert materials_overdue_return(now=end + timedelta(seconds=1), limit=10) == 1
    assert materials_overdue_return(now=end + timedelta(seconds=1), limit=10) == 0
    claim = fresh(claim)
    assert (claim.state, claim.materials_requests.get().closed_reason) == (S.IN_PREREVIEW, "overdue")
    assert claim.decisions.count() == 0  # Nobody is refused by a clock.


def test_an_investigation_has_the_longer_time_from_the_start(shelf: Shelf) -> None:
    claim = investigated(in_prereview(shelf), now=NOW + 3 * DAY)
    assert due(claim, ClockKind.DECIDE) == midnight(TODAY + 31 * DAY)


def test_a_decision_stops_one_clock_and_starts_the_next(shelf: Shelf) -> None:
    claim = decided(in_confirmation(shelf), approving())
    clocks = {clock.kind: (clock.stopped, clock.due_at) for clock in clocks_of(claim=claim, now=NOW)}
    assert clocks["DECIDE"][0] is True
    assert clocks["PAY"] == (False, midnight(TODAY + 11 * DAY))


def test_a_refusal_starts_the_letters_and_the_appeals_clock(shelf: Shelf) -> None:
    claim = IN[S.DECLINED](shelf)
    assert due(claim, ClockKind.REFUSAL_LETTER) == midnight(TODAY + 4 * DAY)
    assert due(claim, ClockKind.APPEAL) == midnight(TODAY + 61 * DAY)


def test_an_appeal_comes_in_time_or_not(shelf: Shelf) -> None:
    claim = IN[S.DECLINED](shelf)
    end = midnight(TODAY + 61 * DAY)
    with pytest.raises(AppealOver, match="time to appeal has passed"):
        appealed(claim, now=end)
    assert appealed(claim, now=end - timedelta(seconds=1)).state == S.APPEALED


@pytest.mark.parametrize("state", [S.PREREVIEW_DECLINED, S.DECLINED])
def test_a_refusal_that_nobody_appeals_against_is_closed(shelf: Shelf, state: ClaimState) -> None:
    claim = IN[state](shelf)
    end = midnight(TODAY + 61 * DAY)
    assert claims_close_due(now=end - timedelta(seconds=1), limit=10) == 0
    assert claims_close_due(now=end, limit=10) == 1
    assert claims_close_due(now=end, limit=10) == 0
    assert fresh(claim).state == S.CLOSED


def test_what_was_confirmed_in_part_waits_for_its_payment(shelf: Shelf) -> None:
    claim = IN[S.PARTLY_CONFIRMED](shelf)
    assert claims_close_due(now=NOW + 400 * DAY, limit=10) == 0
    assert fresh(claim).state == S.PARTLY_CONFIRMED


def test_nothing_runs_on_a_withdrawn_claim(shelf: Shelf) -> None:
    claim = withdrawn(in_prereview(shelf))
    assert late(claim, NOW + 400 * DAY) == []


@pytest.mark.parametrize(
    ("state", "whose", "by"),
    [
        (S.DRAFT, "PATIENT", None),
        (S.SUBMITTED, "PLATFORM", None),
        (S.IN_PREREVIEW, "PREREVIEW", midnight(date(2026, 12, 1))),
        (S.MATERIALS_REQUESTED, "PATIENT", midnight(TODAY + 15 * DAY)),
        (S.PREREVIEW_DECLINED, "PATIENT", midnight(TODAY + 61 * DAY)),
        (S.IN_CONFIRMATION, "INSURER", midnight(date(2026, 12, 1))),
        (S.INVESTIGATION, "PREREVIEW", midnight(TODAY + 31 * DAY)),
        (S.CONFIRMED, "INSURER", midnight(TODAY + 11 * DAY)),
        (S.PARTLY_CONFIRMED, "INSURER", midnight(TODAY + 11 * DAY)),
        (S.DECLINED, "PATIENT", midnight(TODAY + 61 * DAY)),
        (S.APPEALED, "INSURER", midnight(TODAY + 31 * DAY)),
        (S.WITHDRAWN, "NOBODY", None),
        (S.CLOSED, "NOBODY", None),
    ],
)
def test_whose_turn_it_is_and_until_when(shelf: Shelf, state: ClaimState, whose: str, by: datetime | None) -> None:
    step = next_step(claim=IN[state](shelf), now=NOW)
    assert (step.whose, step.by, step.late) == (whose, by, False)
    assert step.what
    assert step.what_zh


def test_the_timeline_tells_it_in_order_and_a_job_finds_its_entry(shelf: Shelf) -> None:
    claim = in_confirmation(shelf)
    entries = timeline_of(claim=claim, audience=None)
    assert [entry.kind for entry in entries] == [
        "claim.drafted",
        "document.added",
        "document.added",
        "claim.submitted",
        "prereview.began",
        "prereview.passed",
        "state.IN_CONFIRMATION",
    ]
    assert all(entry.text and entry.text_zh for entry in entries)
    ((subject,),) = rows(
        "SELECT subject_id FROM journal_job WHERE kind = 'notices.tell' ORDER BY subject_id DESC LIMIT 1"
    )
    event = event_by_subject(subject_id=subject)
    assert event is not None
    assert (event.kind, event_subject(event.pk)) == ("prereview.passed", subject)


def test_new_terms_meet_drafts_and_leave_filed_claims_alone(shelf: Shelf) -> None:
    in_prereview(shelf)
    withdrawn(in_prereview(shelf))
    drafted(shelf)
    drafted(shelf, drug_code=OTHER_DRUG, icd10="C34.1")
    drafted(shelf, service_on=TODAY - DAY)
    drugs = [dict(shelf.terms.body["drugs"][0], indications=["C51"])]
    material = dict(shelf.terms.body["materials"][0], kind="PATHOLOGY")
    new = terms_of(shelf.product, TODAY, drugs=drugs, materials=[*shelf.terms.body["materials"], material])
    assert claims_impact(terms=new, now=NOW) == ClaimsImpact(
        in_flight=1, drafts=2, drafts_delisted=1, drafts_not_indicated=1, drafts_with_new_materials=1
    )
