"""Money is held before a code exists, drawn when goods leave, and collected; never twice, never beyond the line."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction

from claims.services.drafts import LineDraft
from core.ids import uuid7
from ledger.selectors import postings_of
from ledger.services import holds_expire
from settlement.models import Advance, AdvanceMove, Mandate
from settlement.services.advances import (
    AdvanceNotHeld,
    AdvancesStopped,
    CreditLineFull,
    MandateMissing,
    MandateTooSmall,
    advance_draw,
    advance_release,
)
from settlement.services.collecting import advance_collect
from settlement.services.mandates import MandateAmountRefused, MandateTooLate, mandate_sign
from settlement.services.moves import AdvanceTooSmall, MoveDraft, advance_lock, move_write
from settlement.states import EXPOSED, OUTSIDE, PARTS, AdvanceMoveKind, AdvanceState
from tests.claims.house import PAYABLE, PRICE, filed, withdrawn
from tests.claims.test_races import at_once, problems
from tests.registry.house import NOW, TODAY
from tests.roles import as_role, rows
from tests.settlement.books import ledger_holds
from tests.settlement.house import (
    CHAIN_LINE,
    DESK,
    LATER,
    TRACE,
    Desk,
    again,
    balances,
    claimed,
    drawn,
    held,
    line_of,
    payable,
    signed,
)

pytestmark = pytest.mark.django_db
A = AdvanceState
K = AdvanceMoveKind


def moved(desk: Desk, advance: Advance, kind: AdvanceMoveKind, amount_minor: int) -> Advance:
    """One move by the engine itself."""
    with transaction.atomic():
        draft = MoveDraft(
            kind=kind,
            amount_minor=amount_minor,
            cause="ruling",
            cause_id=uuid4(),
            against="cash",
            bearer="PATIENT",
            seconded_by="desk-2" if kind == K.WRITE_OFF else "",
        )
        move_write(advance=advance_lock(advance.pk), draft=draft, by=DESK, now=NOW, trace_id=TRACE)
    return again(advance)


def collected(advance: Advance, amount_minor: int, cause_id: UUID | None = None) -> Advance:
    advance_collect(
        advance_id=advance.pk,
        amount_minor=amount_minor,
        cause_id=cause_id or uuid4(),
        value_date=TODAY,
        by=DESK,
        now=NOW,
        trace_id=TRACE,
    )
    return again(advance)


def confirmed(desk: Desk, amount_minor: int = PAYABLE) -> Advance:
    return moved(desk, drawn(desk, claimed(desk)), K.CONFIRM, amount_minor)


def test_the_table_of_parts_is_that_of_the_trigger() -> None:
    """Each kind changes in the database exactly what PARTS says, as the function's text has it."""
    columns = [
        *("unconfirmed", "receivable", "collected", "clawed_back", "in_recovery", "recovered", "returned"),
        "written_off",
    ]
    ((definition,),) = rows("SELECT prosrc FROM pg_proc WHERE proname = 'settlement_advance_count'")
    for kind, (source, target) in PARTS.items():
        changed = {column for column in columns if f"'{kind}'" in part_of(definition, column)}
        expected = {one for one in (source, target) if one != OUTSIDE}
        assert changed == expected, kind


def part_of(definition: str, column: str) -> str:
    begin = definition.index(f"        {column}_minor = ")
    ends = [at for at in (definition.find("_minor = ", begin + len(column) + 20),) if at > 0]
    return definition[begin : ends[0] if ends else len(definition)]


def test_room_is_held_on_the_insurers_line_and_on_the_chains(desk: Desk) -> None:
    advance = held(desk, claimed(desk))
    assert (advance.state, advance.held_minor, advance.drawn_minor) == (A.HELD, PAYABLE, 0)
    assert balances() == {}
    taken = rows(
        "SELECT b.held_up_minor FROM ledger_accountbalance b JOIN ledger_account a ON a.id = b.account_id "
        "WHERE a.code = 'exposure' ORDER BY a.id"
    )
    assert taken == [(PAYABLE,), (PAYABLE,)]


def test_held_again_alike_nothing_changes_and_another_amount_takes_its_place(desk: Desk) -> None:
    claim = claimed(desk)
    first = held(desk, claim)
    assert held(desk, claim).hold_number == first.hold_number == 1
    less = held(desk, claim, 100_000)
    assert (less.pk, less.held_minor, less.hold_number) == (first.pk, 100_000, 2)
    assert rows("SELECT amount_minor FROM ledger_hold WHERE state = 'OPEN'") == [(100_000,), (100_000,)]


def test_without_a_mandate_no_money_is_laid_out(desk: Desk) -> None:
    claim = filed(desk.shelf)
    with pytest.raises(MandateMissing):
        held(desk, claim)
    signed(claim, PAYABLE)
    held(desk, claim)
    with pytest.raises(MandateTooSmall):
        held(desk, claim, PAYABLE + 1)


def test_a_mandate_lies_between_the_payable_and_the_price(desk: Desk) -> None:
    claim = filed(desk.shelf)
    for minor in (PAYABLE - 1, PRICE + 1):
        with pytest.raises(MandateAmountRefused):
            signed(claim, minor)
    assert signed(claim, PAYABLE).pk == signed(claim, PAYABLE).pk
    assert signed(claim, PRICE).episode == 2
    withdrawn(claim)
    with pytest.raises(MandateTooLate):
        signed(claim, PRICE)


def test_a_patient_signs_for_himself_and_a_stranger_does_not(desk: Desk) -> None:
    claim = filed(desk.shelf)
    values = {"at_most_minor": PRICE, "text_version": 1, "signed_by": "x", "on_behalf": False}
    with as_role("app"), transaction.atomic():
        rows("SELECT set_config('medisettle.organisations', '', true)")
        rows("SELECT set_config('medisettle.persons', %s, true)", [str(uuid7(NOW))])
        with pytest.raises(Exception, match="No claim"):
            mandate_sign(claim_id=claim.pk, now=NOW, trace_id=TRACE, **values)  # type: ignore[arg-type]
        rows("SELECT set_config('medisettle.persons', %s, true)", [str(claim.person_id)])
        assert mandate_sign(claim_id=claim.pk, now=NOW, trace_id=TRACE, **values).person_id == claim.person_id  # type: ignore[arg-type]
    assert Mandate.objects.count() == 1


def test_beyond_the_line_nothing_is_held(desk: Desk) -> None:
    claim = claimed(desk)
    line_of(desk, PAYABLE - 1)
    with pytest.raises(CreditLineFull, match="credit line"):
        held(desk, claim)
    assert Advance.objects.count() == 0
    line_of(desk, PAYABLE)
    assert held(desk, claim).held_minor == PAYABLE


def test_beyond_the_chains_exposure_nothing_is_held(desk: Desk) -> None:
    claim = claimed(desk, lines=claim_lines(2 * CHAIN_LINE))
    with pytest.raises(CreditLineFull, match="exposure"):
        held(desk, claim, CHAIN_LINE + 1)
    assert rows("SELECT count(*) FROM ledger_hold WHERE state = 'OPEN'") == [(0,)]


def claim_lines(price_minor: int) -> tuple[Any, ...]:
    return (LineDraft(quantity=2, unit_price_minor=price_minor // 2),)


def test_a_draw_moves_the_hold_into_the_books(desk: Desk) -> None:
    advance = drawn(desk, claimed(desk))
    assert (advance.state, advance.unconfirmed_minor, advance.drawn_at) == (A.DRAWN, PAYABLE, NOW)
    assert balances() == {
        "exposure": PAYABLE,
        "exposure_memo": PAYABLE,
        "advance_unconfirmed": PAYABLE,
        payable(desk): PAYABLE,
    }
    assert balances("counter_exposure") == {"exposure": PAYABLE, "exposure_memo": PAYABLE}
    (posting,) = postings_of(cause_kind="advance", cause_ids=[advance.pk], organisations=[desk.platform.pk])
    assert posting.evidence_id == AdvanceMove.objects.get().pk
    assert ledger_holds()


def test_the_same_hand_over_draws_once(desk: Desk) -> None:
    claim, handover = claimed(desk), uuid4()
    advance = held(desk, claim)
    for _ in range(2):
        advance_draw(
            advance_id=advance.pk,
            amount_minor=PAYABLE,
            handover_id=handover,
            more_to_come=False,
            against=payable(desk),
            by=DESK,
            now=NOW,
            trace_id=TRACE,
        )
    assert again(advance).drawn_minor == PAYABLE


def draw(desk: Desk, advance: Advance, minor: int, *, more: bool = False, now: Any = NOW) -> Advance:
    advance_draw(
        advance_id=advance.pk,
        amount_minor=minor,
        handover_id=uuid4(),
        more_to_come=more,
        against=payable(desk),
        by=DESK,
        now=now,
        trace_id=TRACE,
    )
    return again(advance)


def test_no_more_is_drawn_than_is_held(desk: Desk) -> None:
    advance = held(desk, claimed(desk))
    with pytest.raises(AdvanceNotHeld):
        draw(desk, advance, PAYABLE + 1)
    draw(desk, advance, PAYABLE)
    with pytest.raises(AdvanceNotHeld):
        draw(desk, advance, 1)


def test_a_part_leaves_the_rest_held_for_what_is_to_come(desk: Desk) -> None:
    advance = draw(desk, held(desk, claimed(desk)), 100_000, more=True)
    assert (advance.held_minor, advance.drawn_minor, advance.hold_number) == (PAYABLE, 100_000, 2)
    advance = draw(desk, advance, 200_000, more=False)
    assert (advance.held_minor, advance.drawn_minor) == (300_000, 300_000)
    assert rows("SELECT count(*) FROM ledger_hold WHERE state = 'OPEN'") == [(0,)]


def test_a_hold_past_its_time_draws_nothing_and_may_be_held_anew(desk: Desk) -> None:
    claim = claimed(desk)
    advance, late = held(desk, claim), LATER + timedelta(seconds=1)
    with pytest.raises(AdvanceNotHeld):
        draw(desk, advance, PAYABLE, now=late)
    holds_expire(now=late, by="sweeper")
    advance = held(desk, claim, now=late, until=late + timedelta(days=1))
    assert draw(desk, advance, PAYABLE, now=late).state == A.DRAWN


def test_what_is_released_is_free_again(desk: Desk) -> None:
    advance = held(desk, claimed(desk))
    for _ in range(2):
        advance_release(advance_id=advance.pk, reason="withdrawn", by=DESK, now=NOW, trace_id=TRACE)
    assert (again(advance).state, again(advance).held_minor) == (A.RELEASED, 0)
    assert rows("SELECT count(*) FROM ledger_hold WHERE state = 'OPEN'") == [(0,)]


def test_a_released_claim_may_be_held_anew_as_its_next_episode(desk: Desk) -> None:
    claim = claimed(desk)
    advance_release(advance_id=held(desk, claim).pk, reason="expired", by=DESK, now=NOW, trace_id=TRACE)
    assert held(desk, claim).episode == 2


def test_an_old_advance_stops_new_ones_and_its_collection_lets_them_go_on(desk: Desk) -> None:
    old = confirmed(desk, PAYABLE)
    late = NOW + timedelta(days=61)
    claim = claimed(desk)
    with pytest.raises(AdvancesStopped) as problem:
        held(desk, claim, now=late, until=late + timedelta(days=1))
    assert problem.value.fields["count"] == 1
    collected(old, PAYABLE)
    assert held(desk, claim, now=late, until=late + timedelta(days=1)).state == A.HELD


@pytest.mark.parametrize("kind", [kind for kind in K if kind not in (K.DRAW, K.CLAW_BACK)])
def test_no_part_gives_more_than_it_has(desk: Desk, kind: AdvanceMoveKind) -> None:
    advance = drawn(desk, claimed(desk))
    there = getattr(advance, f"{PARTS[kind][0]}_minor")
    with pytest.raises(AdvanceTooSmall):
        moved(desk, advance, kind, there + 1)
    assert again(advance).version == advance.version


def test_the_line_is_what_is_unconfirmed_and_receivable_after_every_kind_of_move(desk: Desk) -> None:
    """A walk through every kind: after each the books say what the columns say."""
    advance = drawn(desk, claimed(desk))
    walk = (
        *((K.CONFIRM, 300_000), (K.UNCONFIRM, 100_000), (K.COLLECT, 150_000), (K.UNCOLLECT, 50_000)),
        *((K.CLAW_BACK, 60_000), (K.BEAR, 90_000), (K.BEAR_RECEIVABLE, 10_000), (K.RECOVER, 30_000)),
        *((K.BEAR_NO_MORE, 20_000), (K.WRITE_OFF, 40_000), (K.UNRECOVER, 10_000), (K.WRITE_BACK, 15_000)),
        *((K.RETURN, 25_000), (K.RETURN_RECEIVABLE, 35_000)),
    )
    assert {kind for kind, _ in walk} | {K.DRAW} == set(K)
    for kind, minor in walk:
        advance = moved(desk, advance, kind, minor)
        books = balances()
        assert books.get("exposure", 0) == sum(getattr(advance, f"{part}_minor") for part in EXPOSED), kind
        assert books.get("advance_unconfirmed", 0) == advance.unconfirmed_minor, kind
        assert books.get("receivable", 0) == advance.receivable_minor, kind
        assert books.get("recovery:patient", 0) == advance.in_recovery_minor, kind
        assert books.get("loss", 0) == advance.written_off_minor, kind
        assert balances("counter_exposure").get("exposure", 0) == advance.unconfirmed_minor, kind
    assert ledger_holds()


def test_two_advances_for_the_last_of_a_line_one_gets_it(committed_desk: Desk) -> None:
    desk = committed_desk
    claims = [claimed(desk), claimed(desk)]
    line_of(desk, PAYABLE)
    results = at_once(*[lambda claim=claim: held(desk, claim) for claim in claims])
    assert problems(results) == [CreditLineFull]
    assert rows("SELECT held_up_minor FROM ledger_accountbalance WHERE held_up_minor > 0") == [(PAYABLE,), (PAYABLE,)]


def test_one_claim_held_twice_at_once_is_held_once(committed_desk: Desk) -> None:
    desk = committed_desk
    claim = claimed(desk)
    results = at_once(lambda: held(desk, claim), lambda: held(desk, claim))
    assert problems(results) == []
    assert Advance.objects.count() == 1
    assert balances() == {}


def test_the_database_keeps_a_second_running_advance_out(desk: Desk) -> None:
    advance = held(desk, claimed(desk))
    with pytest.raises(IntegrityError, match="one_running_advance_per_claim"), transaction.atomic():
        Advance.objects.create(
            id=uuid7(NOW),
            organisation=desk.insurer,
            claim_id=advance.claim_id,
            episode=2,
            mandate_id=advance.mandate_id,
            currency="CNY",
            held_minor=1,
            held_until=LATER,
            created_at=NOW,
            state_at=NOW,
            state_by=DESK,
            trace_id=TRACE,
        )
