"""Paper originals above a sum, and the letter with reasons after a refusal: who owes what, and what is told of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from claims.models import Claim
from claims.selectors.letters import letters_of
from claims.selectors.timeline import clocks_of, next_step
from claims.services.desk import ClaimMoved
from claims.services.jobs import TELL, event_subject
from claims.services.letters import letters_send_due
from claims.services.originals import CourierNumberInvalid, PaperNotDue, paper_receive, paper_send
from claims.states import ClaimState, PaperState
from tests.claims.house import (
    IN,
    PATIENT,
    PAYABLE,
    REVIEWER,
    TRACE,
    appealed,
    approving_part,
    decided,
    declining,
    filed,
    fresh,
    in_confirmation,
    reopened,
    withdrawn,
)
from tests.registry.house import NOW, TODAY, Shelf, make_shelf
from tests.roles import rows

S = ClaimState
COURIER = "SF1234567890"
REFUSED = (S.PREREVIEW_DECLINED, S.PARTLY_CONFIRMED, S.DECLINED)


@pytest.fixture
def large(db: None) -> Claim:
    return filed(make_shelf(paper_above_minor=PAYABLE - 1))


def sent(claim: Claim, courier_no: str = COURIER) -> Claim:
    return paper_send(claim_id=claim.pk, courier_no=courier_no, by=PATIENT, on_behalf=False, now=NOW, trace_id=TRACE)


def received(claim: Claim, version: int | None = None) -> Claim:
    seen = fresh(claim).version if version is None else version
    return paper_receive(claim_id=claim.pk, version=seen, by=REVIEWER, now=NOW, trace_id=TRACE)


def kinds(claim: Claim, start: str) -> list[str]:
    return [kind for kind in claim.events.order_by("id").values_list("kind", flat=True) if kind.startswith(start)]


def owed(claim: Claim) -> list[str]:
    return [step.whose for step in next_step(claim=fresh(claim), now=NOW).also]


def test_originals_are_owed_by_the_patient_then_noted_by_the_platform(large: Claim) -> None:
    assert owed(large) == ["PATIENT"]
    sent(large)
    assert owed(large) == ["PREREVIEW"]
    claim = received(large)
    assert (claim.paper, claim.paper_courier_no) == (PaperState.RECEIVED, COURIER)
    assert owed(large) == []
    assert kinds(claim, "paper.") == ["paper.due", "paper.sent", "paper.received"]


def test_the_same_courier_number_again_changes_nothing_and_another_takes_its_place(large: Claim) -> None:
    version = sent(large).version
    assert sent(large).version == version
    assert sent(large, "EMS-998877").paper_courier_no == "EMS-998877"
    assert kinds(large, "paper.sent") == ["paper.sent"] * 2


@pytest.mark.parametrize("number", ["", "12345", "1" * 41, "SF 123456", "快递123456", "-123456", "SF123456\n"])
def test_what_is_no_couriers_number_is_refused(large: Claim, number: str) -> None:
    with pytest.raises(CourierNumberInvalid):
        sent(large, number)
    assert fresh(large).paper_courier_no == ""


def test_originals_come_once(large: Claim) -> None:
    received(large)
    with pytest.raises(PaperNotDue):
        received(large)
    with pytest.raises(PaperNotDue):
        sent(large)


def test_originals_that_nobody_needs_are_refused(shelf: Shelf) -> None:
    claim = filed(shelf)
    with pytest.raises(PaperNotDue):
        sent(claim)


def test_a_withdrawn_claim_waits_for_no_originals(large: Claim) -> None:
    withdrawn(large)
    assert owed(large) == []
    with pytest.raises(PaperNotDue):
        received(large)


def test_originals_are_noted_at_the_version_that_was_seen(large: Claim) -> None:
    seen = large.version
    sent(large)
    with pytest.raises(ClaimMoved):
        received(large, version=seen)


@pytest.mark.parametrize("state", REFUSED)
def test_each_refusal_gets_its_letter_once_and_that_stops_its_clock(shelf: Shelf, state: ClaimState) -> None:
    claim = IN[state](shelf)
    assert owed(claim) == ["PLATFORM"]
    assert letters_send_due(now=NOW, limit=10) == 1
    assert letters_send_due(now=NOW, limit=10) == 0
    stopped = {clock.kind: clock.stopped for clock in clocks_of(claim=fresh(claim), now=NOW)}
    assert (stopped["REFUSAL_LETTER"], stopped["APPEAL"]) == (True, False)
    assert owed(claim) == []
    (event,) = claim.events.filter(kind="letter.sent")
    told = rows("SELECT count(*) FROM journal_job WHERE kind = %s AND subject_id = %s", [TELL, event_subject(event.pk)])
    assert told == [(1,)]


def test_a_letter_quotes_clause_terms_list_of_the_day_and_the_last_day_to_appeal(shelf: Shelf) -> None:
    claim = decided(in_confirmation(shelf), declining(explanation="The list names another use."))
    letters_send_due(now=NOW, limit=10)
    (letter,) = letters_of(claim=fresh(claim))
    last = (TODAY + timedelta(days=60)).isoformat()
    number = shelf.terms.number
    for word in (
        claim.claim_no,
        "Article 5.2",
        f"terms version {number}",
        f"of {TODAY}",
        f"until {last}",
        "another use",
    ):
        assert word in letter.text, word
    for word in (claim.claim_no, "第5.2条", f"条款第 {number} 版", f"目录日期 {TODAY}", f"在 {last}", "申诉"):
        assert word in letter.text_zh, word


def test_a_late_letter_is_seen_as_late(shelf: Shelf) -> None:
    claim = IN[S.DECLINED](shelf)
    (step,) = next_step(claim=claim, now=NOW + timedelta(days=5)).also
    assert (step.whose, step.late) == ("PLATFORM", True)


def test_a_refusal_after_reopening_has_a_letter_of_its_own(shelf: Shelf) -> None:
    claim = decided(in_confirmation(shelf), approving_part())
    letters_send_due(now=NOW, limit=10)
    decided(reopened(claim), declining(clause="Article 9", clause_zh="第9条"))
    assert letters_send_due(now=NOW, limit=10) == 1
    latest, first = letters_of(claim=fresh(claim))
    assert "Article 9" in latest.text
    assert "Article 5.2" in first.text


def test_an_appeal_before_the_letter_needs_none_any_more(shelf: Shelf) -> None:
    appealed(IN[S.DECLINED](shelf))
    assert letters_send_due(now=NOW, limit=10) == 0


def test_what_was_confirmed_gets_no_letter(shelf: Shelf) -> None:
    claim = IN[S.CONFIRMED](shelf)
    assert letters_send_due(now=NOW, limit=10) == 0
    assert letters_of(claim=claim) == []
