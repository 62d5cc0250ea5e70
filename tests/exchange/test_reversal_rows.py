"""What the database itself refuses of reversals, whoever writes them: a second accepted one, and a second open one."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from core.clock import database_now
from core.ids import uuid7
from exchange.models import Reversal, Transaction
from exchange.states import Cause, ReversalEnd
from tests.exchange.house import House, draft, received


def reversal(row: Transaction, *, end: str, episode: int = 1) -> Reversal:
    now = database_now()
    return Reversal.objects.create(
        id=uuid7(now),
        organisation_id=row.organisation_id,
        transaction_id=row.pk,
        episode=episode,
        cause=Cause.SURFACED,
        by="exchange",
        opened_at=now,
        closed_at=now if end else None,
        end=end,
    )


@pytest.mark.parametrize("end", [ReversalEnd.ACCEPTED, ""])
def test_it_refuses_a_second_of_its_kind(house: House, end: str) -> None:
    (row,) = received(draft(house))
    reversal(row, end=end)
    name = "one_accepted_reversal_per_settlement" if end else "one_open_reversal_per_transaction"
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        reversal(row, end=end)


def test_a_settlement_that_surfaced_anew_may_be_reversed_anew(house: House) -> None:
    (row,) = received(draft(house))
    reversal(row, end=ReversalEnd.ACCEPTED)
    reversal(row, end=ReversalEnd.ACCEPTED, episode=2)
    assert Reversal.objects.filter(transaction=row).count() == 2
