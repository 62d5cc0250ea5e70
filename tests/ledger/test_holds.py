"""Holds and limits: through the services, then attacked by plain SQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from core.models import Transition
from ledger import services
from ledger.models import AccountBalance, Hold, LimitChange, Posting
from ledger.selectors import account_balance, holds_of
from ledger.services import BookKey, HoldPost, HoldVoid, Side, credit, debit
from ledger.states import HoldState
from tests.ledger.cast import NOW, constraints_now, drawn, fen, hold_of, limit, mirror, settled, write
from tests.roles import as_role, refused, rows


def balance() -> AccountBalance:
    return AccountBalance.objects.get(account__code="exposure")


def place(*drafts: services.HoldDraft) -> list[Hold]:
    return services.holds_place(drafts=drafts, now=NOW)


def void(hold: Hold) -> Hold:
    return services.holds_void(voids=[HoldVoid(hold_id=hold.pk, by="test", reason="not needed")], now=NOW)[0]


def post(hold: Hold, draft: services.PostingDraft) -> Posting:
    return services.holds_post(posts=[HoldPost(hold_id=hold.pk, posting=draft)], now=NOW)[0]


def test_nothing_can_be_drawn_or_held_before_a_limit_is_set(advances: BookKey) -> None:
    with pytest.raises(services.LimitExceeded):
        write(drawn(advances, 1))
    with pytest.raises(services.LimitExceeded):
        place(hold_of(advances, 1))


def test_a_limit_bounds_the_balance(advances: BookKey) -> None:
    with as_role("worker"):
        limit(advances, 100)
        write(drawn(advances, 60), drawn(advances, 40))
        with pytest.raises(services.LimitExceeded):
            write(drawn(advances, 1))
    assert balance().balance_minor == 100


def test_a_replay_at_the_limit_is_still_a_replay(advances: BookKey) -> None:
    limit(advances, 100)
    draft = drawn(advances, 100)
    assert write(draft)[0].pk == write(draft)[0].pk


def test_a_mirror_gives_the_room_back(advances: BookKey) -> None:
    limit(advances, 100)
    [posting] = write(drawn(advances, 100))
    mirror(posting)
    assert balance().balance_minor == 0
    write(drawn(advances, 100))


def test_a_floor_bounds_the_balance_from_below(advances: BookKey) -> None:
    limit(advances, 1000, account="cash")
    fund = settled(advances, legs=(debit("cash", fen(50)), credit("funding", fen(50))))
    pay = settled(advances, legs=(debit("payable", fen(51)), credit("cash", fen(51))))
    write(fund)
    with pytest.raises(services.LimitExceeded):
        write(pay)
    place(hold_of(advances, 30, account="cash", side=Side.CREDIT))
    with pytest.raises(services.LimitExceeded):
        write(settled(advances, legs=(debit("payable", fen(21)), credit("cash", fen(21)))))


def test_a_hold_keeps_room_until_it_is_voided(advances: BookKey) -> None:
    limit(advances, 100)
    with as_role("worker"):
        [hold] = place(hold_of(advances, 70))
        with pytest.raises(services.LimitExceeded):
            write(drawn(advances, 31))
        write(drawn(advances, 30))
        assert void(hold).state == void(hold).state == HoldState.VOIDED
    assert (balance().held_up_minor, balance().balance_minor) == (0, 30)


def test_a_posted_hold_frees_what_it_does_not_use(advances: BookKey) -> None:
    limit(advances, 100)
    [hold] = place(hold_of(advances, 100))
    draft = drawn(advances, 80)
    with as_role("worker"):
        posting = post(hold, draft)
        constraints_now()
        assert post(hold, draft).pk == posting.pk
    hold = Hold.objects.get(pk=hold.pk)
    assert (hold.state, hold.resolved_minor, hold.posting_id) == (HoldState.POSTED, 80, posting.pk)
    assert (balance().held_up_minor, balance().balance_minor) == (0, 80)
    write(drawn(advances, 20))


def test_the_moves_of_a_hold_leave_their_history(advances: BookKey) -> None:
    limit(advances, 100)
    [hold] = place(hold_of(advances, 10))
    void(hold)
    row = Transition.objects.get(entity="ledger_hold", entity_id=str(hold.pk))
    assert (row.from_state, row.to_state, row.by, row.reason) == ("OPEN", "VOIDED", "test", "not needed")


@pytest.mark.parametrize("minor", [81, 5000])
def test_it_refuses_to_post_more_than_was_held(advances: BookKey, minor: int) -> None:
    limit(advances, 100)
    [hold] = place(hold_of(advances, 80))
    with pytest.raises(services.HoldTooSmall):
        post(hold, drawn(advances, minor))
    assert balance().held_up_minor == 80


def test_a_hold_is_resolved_once(advances: BookKey) -> None:
    limit(advances, 100)
    voided, posted = place(hold_of(advances, 10), hold_of(advances, 10))
    void(voided)
    post(posted, drawn(advances, 10))
    for act in (
        lambda: post(voided, drawn(advances, 1)),
        lambda: post(posted, drawn(advances, 1)),
        lambda: void(posted),
    ):
        with pytest.raises(services.HoldResolved):
            act()


def test_it_refuses_a_posting_that_was_already_written_without_the_hold(advances: BookKey) -> None:
    limit(advances, 100)
    [hold] = place(hold_of(advances, 10))
    draft = drawn(advances, 10)
    write(draft)
    with pytest.raises(services.HoldResolved):
        post(hold, draft)
    assert balance().held_up_minor == 10


def test_holds_expire_by_the_clock_that_is_passed_in(advances: BookKey) -> None:
    limit(advances, 100)
    early, late = place(
        hold_of(advances, 10, expires_at=NOW + timedelta(hours=1)),
        hold_of(advances, 20, expires_at=NOW + timedelta(hours=2)),
    )
    then = NOW + timedelta(minutes=90)
    with pytest.raises(services.HoldResolved):
        services.holds_post(posts=[HoldPost(hold_id=early.pk, posting=drawn(advances, 10))], now=then)
    with as_role("worker"):
        expired = services.holds_expire(now=then, by="sweeper")
    assert [hold.pk for hold in expired] == [early.pk]
    assert Hold.objects.get(pk=late.pk).state == HoldState.OPEN
    assert balance().held_up_minor == 20


def test_the_same_hold_again_is_the_same_hold(advances: BookKey) -> None:
    limit(advances, 100)
    draft = hold_of(advances, 60)
    first, twin = place(draft, draft)
    assert place(draft)[0].pk == first.pk == twin.pk
    with pytest.raises(services.HoldConflict):
        place(replace(draft, amount=fen(61)))
    assert list(holds_of(cause_kind="claim", cause_ids=[draft.cause_id], organisations="*")) == [first]
    assert not holds_of(cause_kind="claim", cause_ids=[draft.cause_id], organisations=[0]).exists()


@pytest.mark.parametrize("change", [{"amount": fen(0)}, {"amount": fen(-1)}, {"expires_at": NOW}])
def test_it_refuses_a_hold_of_nothing_or_of_no_time(advances: BookKey, change: dict[str, object]) -> None:
    with pytest.raises(services.HoldInvalid):
        place(replace(hold_of(advances, 1), **change))  # type: ignore[arg-type]


def test_only_limited_accounts_carry_holds_and_limits(advances: BookKey) -> None:
    with pytest.raises(services.AccountNotLimited):
        place(hold_of(advances, 1, account="payable"))
    with pytest.raises(services.AccountNotLimited):
        limit(advances, 1, account="payable")


def test_it_names_a_hold_that_does_not_exist(advances: BookKey) -> None:
    with pytest.raises(services.HoldUnknown):
        services.holds_void(voids=[HoldVoid(hold_id=uuid4(), by="test", reason="")], now=NOW)


def test_a_limit_cannot_be_set_below_what_is_drawn_and_held(advances: BookKey) -> None:
    limit(advances, 100)
    write(drawn(advances, 30))
    place(hold_of(advances, 20))
    with pytest.raises(services.LimitBelowBalance):
        limit(advances, 49)
    limit(advances, 50)
    assert [row.limit_minor for row in LimitChange.objects.order_by("pk")] == [100, 50]
    balance_now = account_balance(
        organisation_id=advances.organisation_id,
        insurer_organisation_id=advances.insurer_organisation_id,
        account="exposure",
        kind=advances.kind,
        organisations="*",
    )
    assert balance_now == fen(30)


# Plain SQL.


@pytest.mark.parametrize("column", ["balance_minor", "held_up_minor", "held_down_minor"])
def test_no_role_moves_a_balance_by_hand(advances: BookKey, column: str) -> None:
    limit(advances, 100)
    for role in ("worker", "app"):
        with as_role(role), refused("permission denied"):
            rows(f"UPDATE ledger_accountbalance SET {column} = 7")


@pytest.mark.parametrize("value", ["limit_minor = 49", "floor_minor = 31"])
def test_the_check_constraint_refuses_a_limit_below_what_is_drawn_and_held(advances: BookKey, value: str) -> None:
    limit(advances, 100)
    write(drawn(advances, 30))
    place(hold_of(advances, 20))
    with as_role("worker"), refused("balance_and_holds"):
        rows(f"UPDATE ledger_accountbalance SET {value}")


def test_the_check_constraint_refuses_legs_beyond_the_limit(advances: BookKey) -> None:
    limit(advances, 100)
    [posting] = write(drawn(advances, 100))
    copy = """
        WITH header AS (INSERT INTO ledger_posting (id, book_id, organisation_id, cause_kind, cause_id, kind, episode,
                evidence_id, value_date, booked_at, booked_day, by, reason, trace_id)
            SELECT %s, book_id, organisation_id, 'raw', id, kind, episode, evidence_id, value_date, booked_at,
                booked_day, by, reason, trace_id FROM ledger_posting WHERE id = %s)
        INSERT INTO ledger_leg
            (posting_id, line_no, account_id, organisation_id, booked_day, side, amount_minor, currency)
        SELECT %s, line_no, account_id, organisation_id, booked_day, side, 1, currency
            FROM ledger_leg WHERE posting_id = %s"""
    key = uuid4()
    with as_role("worker"), refused("balance_and_holds_within_limit"):
        rows(copy, [key, posting.pk, key, posting.pk])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("state = 'POSTED', version = version + 1", "hold_is_resolved_within_what_was_held"),
        ("state = 'VOIDED', version = version + 1, resolved_minor = 5", "hold_is_resolved_within_what_was_held"),
        ("state = 'VOIDED', resolved_minor = 0", "changed by somebody else"),
        ("resolved_minor = 5, version = version + 1", "a hold changes once"),
        ("version = version + 1", "a hold changes once"),
        ("amount_minor = 5, state = 'VOIDED', resolved_minor = 0, version = version + 1", "permission denied"),
        ("account_id = 5", "permission denied"),
    ],
)
def test_the_database_refuses_a_resolution(advances: BookKey, change: str, words: str) -> None:
    limit(advances, 100)
    place(hold_of(advances, 10))
    with as_role("worker"), refused(words):
        rows(f"UPDATE ledger_hold SET {change}")


@pytest.mark.parametrize("back", ["OPEN", "POSTED", "EXPIRED", "VOIDED"])
def test_the_database_refuses_to_resolve_a_hold_again(advances: BookKey, back: str) -> None:
    limit(advances, 100)
    void(place(hold_of(advances, 10))[0])
    with as_role("worker"), refused("a hold changes once"):
        rows("UPDATE ledger_hold SET state = %s, version = version + 1", [back])


@pytest.mark.parametrize("used", ["more than was held", "another posting", "a posting of before"])
def test_the_database_refuses_a_posted_hold_that_its_posting_does_not_cover(advances: BookKey, used: str) -> None:
    limit(advances, 100)
    [hold] = place(hold_of(advances, 10))
    [posting] = write(drawn(advances, 4))
    resolved, posting_id, words = {
        "more than was held": (11, posting.pk, "hold_is_resolved_within_what_was_held"),
        "another posting": (5, posting.pk, "no posting of this commit"),
        "a posting of before": (5, uuid4(), "no posting of this commit|foreign key"),
    }[used]
    with as_role("worker"), refused(words):
        rows(
            "UPDATE ledger_hold SET state = 'POSTED', resolved_minor = %s, posting_id = %s, version = version + 1 "
            "WHERE id = %s",
            [resolved, posting_id, hold.pk],
        )
        constraints_now()


def test_holds_are_never_deleted_and_born_open(advances: BookKey) -> None:
    limit(advances, 100)
    [hold] = place(hold_of(advances, 10))
    for role in ("worker", "app"):
        with as_role(role), refused("permission denied"):
            rows("DELETE FROM ledger_hold")
    with refused("append-only"):
        rows("DELETE FROM ledger_hold")
    born = """
        INSERT INTO ledger_hold (id, account_id, organisation_id, cause_kind, cause_id, kind, episode, side,
            amount_minor, expires_at, placed_at, state, version, state_at, state_by, state_reason, trace_id,
            resolved_minor)
        SELECT gen_random_uuid(), account_id, 0, cause_kind, gen_random_uuid(), kind, episode, side, amount_minor,
            expires_at, placed_at, %s, 0, state_at, state_by, state_reason, trace_id, %s
        FROM ledger_hold WHERE id = %s"""
    with as_role("worker"):
        with refused("cannot begin as"):
            rows(born, ["VOIDED", 0, hold.pk])
        rows(born, ["OPEN", None, hold.pk])
    assert set(Hold.objects.values_list("organisation_id", flat=True)) == {advances.organisation_id}
    assert balance().held_up_minor == 20


def test_a_hold_that_meets_a_conflict_moves_nothing(advances: BookKey) -> None:
    limit(advances, 100)
    place(hold_of(advances, 10))
    with as_role("worker"):
        rows(
            "INSERT INTO ledger_hold SELECT (jsonb_populate_record(h, jsonb_build_object('id', gen_random_uuid()))).* "
            "FROM ledger_hold h ON CONFLICT DO NOTHING"
        )
    assert (Hold.objects.count(), balance().held_up_minor) == (1, 10)
