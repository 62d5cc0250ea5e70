"""One poisoned row in a batch of two hundred: it alone ends as little as is true, and its neighbours notice nothing."""

from __future__ import annotations

from dataclasses import replace

from pytest_django import Settings

from exchange.models import Call, Evidence, Transaction
from exchange.selectors.transactions import answers_of
from journal.models import Job
from ledger.models import Posting
from tests.exchange.house import House, conclude, connect, draft, fresh, move_insurer, perform, received, take, work_off
from tests.exchange.peer import answering, peer
from tests.roles import rows


def test_one_wish_that_cannot_be_built_does_not_harm_its_199_neighbours(house: House) -> None:
    wishes = received(*(draft(house) for _ in range(200)))
    poisoned = wishes[77]
    rows(
        "UPDATE exchange_transaction SET sealed_body = '\\x00', version = version + 1, state_by = 'x' WHERE id = %s",
        [poisoned.pk],
    )
    turn = take(house)
    assert len(turn.works) == 199
    poisoned = fresh(poisoned)
    assert (poisoned.state, poisoned.reason_code) == ("NOT_SENT", "could_not_build")
    assert [one.kind for one in Evidence.objects.filter(transaction=poisoned)] == ["OUR_RULE"]
    assert answers_of([poisoned.pk])[poisoned.pk]["verdict"] == "not_sent"
    assert Transaction.objects.filter(state="SENDING").count() == 199
    assert Job.objects.filter(subject_id=poisoned.pk).count() == 0
    assert Call.objects.count() == 199


def test_one_answer_that_cannot_be_concluded_does_not_harm_its_199_neighbours(house: House, settings: Settings) -> None:
    # Two hundred messages are built and sent by one thread: on a busy machine that takes longer than a till would wait.
    settings.SEND_WITHIN_SECONDS = 30
    settings.DEADLINE_SECONDS = settings.DEADLINE_SECONDS | {"settle": 40}
    wishes = received(*(draft(house) for _ in range(200)))
    with peer(answering()) as insurer:
        move_insurer(house, insurer.base_url)
        outcomes = perform(take(house).works)
    poisoned = wishes[77]
    rows(
        "ALTER TABLE ledger_posting ADD CONSTRAINT poison "
        f"CHECK (cause_id <> '{poisoned.pk}' OR kind <> 'settled') NOT VALID"
    )
    conclude(outcomes)
    poisoned = fresh(poisoned)
    assert (poisoned.state, poisoned.reason_code) == ("IN_DOUBT", "answer_not_worked")
    (job,) = Job.objects.all()
    assert (job.subject_id, job.parked_at is not None) == (poisoned.pk, True)
    assert "poison" in job.parked_reason
    call = Call.objects.get(transaction=poisoned)
    assert (call.outcome, call.sealed_answer is not None) == ("DONE", True), "our fault must not destroy the proof"
    assert Transaction.objects.filter(state="SUCCEEDED").count() == 199
    assert Posting.objects.count() == 199
    assert take(house, overdue_seconds=-100.0).claimed == 0, "a parked job waits for a person"


def test_one_insurer_whose_key_cannot_be_opened_does_not_harm_the_others(house: House) -> None:
    broken = connect("INS-BROKEN", scheme="666")
    rows("UPDATE exchange_interfacekey SET sealed_secret = '\\x00' WHERE interface_id = %s", [broken.pk])
    healthy, ill = received(draft(house), draft(house, scheme="666"))
    work_off(house)
    assert (fresh(healthy).state, fresh(healthy).reason_code) == ("NOT_SENT", "connection_failed")
    take(replace(house, lane=broken.lane))
    assert (fresh(ill).state, fresh(ill).reason_code) == ("NOT_SENT", "could_not_build")
