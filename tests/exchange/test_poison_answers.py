"""One query's answer that cannot be worked among two hundred: a person has it, its neighbours go on."""

from __future__ import annotations

import pytest

from exchange.models import Call, Transaction
from journal.models import Job
from tests.exchange.doubting import PAST_DEADLINE, SILENCE, clock_on, found, insurer, sound, told, turn
from tests.exchange.house import House, draft, fresh, received
from tests.roles import rows

pytestmark = pytest.mark.usefixtures("patient")


def test_one_querys_answer_that_cannot_be_worked_does_not_harm_its_199_neighbours(house: House) -> None:
    wishes = received(*(draft(house) for _ in range(200)))
    with insurer(house, settle=SILENCE, query=found()):
        assert turn(house) == 200
        clock_on(PAST_DEADLINE)
        poisoned = wishes[77]
        rows(
            "ALTER TABLE ledger_posting ADD CONSTRAINT poison "
            f"CHECK (cause_id <> '{poisoned.pk}' OR kind <> 'settled') NOT VALID"
        )
        assert turn(house) == 200
    poisoned = fresh(poisoned)
    assert (poisoned.state, poisoned.reason_code, poisoned.owner) == ("NEEDS_HUMAN", "answer_not_worked", "operations")
    assert told(house, poisoned.his_no)["verdict"] == "pending"
    assert Transaction.objects.filter(state="SUCCEEDED").count() == 199
    (job,) = Job.objects.all()
    assert (job.subject_id, "poison" in job.parked_reason) == (poisoned.pk, True)
    call = Call.objects.get(transaction=poisoned, kind="QUERY")
    assert (call.outcome, call.outcome_reason) == ("DONE", "held_stands"), "our fault must not destroy the proof"
    sound(house)
