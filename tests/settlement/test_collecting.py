"""What the insurer pays, what was matched wrongly, and what it takes back: each moves its part once."""

from __future__ import annotations

from uuid import uuid4

import pytest

from settlement.models import Advance
from settlement.services.collecting import advance_claw_back, advance_uncollect
from settlement.services.contracts import lines_restore
from settlement.services.moves import AdvanceMoveDiffers, AdvanceTooSmall
from settlement.states import AdvanceMoveKind, AdvanceState
from tests.claims.house import PAYABLE
from tests.registry.house import NOW, TODAY
from tests.roles import rows
from tests.settlement.books import ledger_holds
from tests.settlement.house import (
    DESK,
    TRACE,
    Desk,
    again,
    balances,
    line_of,
    payable,
)
from tests.settlement.test_advances import collected, confirmed

pytestmark = pytest.mark.django_db
A = AdvanceState
K = AdvanceMoveKind


def test_collected_in_parts_the_line_is_free_again(desk: Desk) -> None:
    advance = collected(confirmed(desk), 100_000)
    assert (advance.state, advance.receivable_minor) == (A.PARTLY_COLLECTED, PAYABLE - 100_000)
    advance = collected(advance, PAYABLE - 100_000)
    assert (advance.state, advance.collected_minor) == (A.COLLECTED, PAYABLE)
    assert balances() == {"cash": PAYABLE, payable(desk): PAYABLE}
    assert balances("counter_exposure") == {}


def test_one_allocation_collects_once_and_never_more_than_is_receivable(desk: Desk) -> None:
    advance, cause = confirmed(desk), uuid4()
    assert collected(collected(advance, 100_000, cause), 100_000, cause).collected_minor == 100_000
    with pytest.raises(AdvanceMoveDiffers):
        collected(advance, 100_001, cause)
    with pytest.raises(AdvanceTooSmall):
        collected(advance, PAYABLE - 100_000 + 1)


def test_what_was_matched_wrongly_is_receivable_again(desk: Desk) -> None:
    advance = collected(confirmed(desk), PAYABLE)
    advance_uncollect(
        advance_id=advance.pk,
        amount_minor=PAYABLE,
        cause_id=uuid4(),
        reason="another claim's",
        value_date=TODAY,
        by=DESK,
        now=NOW,
        trace_id=TRACE,
    )
    assert (again(advance).state, again(advance).receivable_minor) == (A.DRAWN, PAYABLE)


def clawed_back(advance: Advance, minor: int) -> Advance:
    advance_claw_back(
        advance_id=advance.pk,
        amount_minor=minor,
        cause_id=uuid4(),
        reason="netted",
        value_date=TODAY,
        by=DESK,
        now=NOW,
        trace_id=TRACE,
    )
    return again(advance)


def test_what_the_insurer_takes_back_is_asked_for_again(desk: Desk) -> None:
    advance = clawed_back(collected(confirmed(desk), PAYABLE), 150_000)
    assert (advance.state, advance.receivable_minor, advance.clawed_back_minor) == (A.CLAWED_BACK, 150_000, 150_000)
    with pytest.raises(AdvanceTooSmall):
        clawed_back(advance, PAYABLE - 150_000 + 1)
    advance = collected(advance, 150_000)
    assert (advance.state, advance.collected_minor) == (A.COLLECTED, PAYABLE + 150_000)


def test_a_claw_back_is_booked_though_the_line_is_full_and_the_line_comes_back(desk: Desk) -> None:
    advance = collected(confirmed(desk), PAYABLE)
    line_of(desk, 0)
    advance = clawed_back(advance, PAYABLE)
    assert balances()["exposure"] == PAYABLE
    assert ledger_holds()
    collected(advance, PAYABLE)
    assert lines_restore(now=NOW, limit=10) == 1
    assert rows(
        "SELECT limit_minor FROM ledger_accountbalance b JOIN ledger_account a ON a.id = b.account_id "
        "JOIN ledger_book k ON k.id = a.book_id WHERE a.code = 'exposure' AND k.kind = 'advance'"
    ) == [(0,)]
