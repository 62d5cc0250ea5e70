"""Whatever is done in whatever order, the ledger can be proven."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import Problem
from core.money import Money
from ledger import services
from ledger.models import Hold, Posting
from ledger.services import BookKey, HoldPost, HoldVoid, LegDraft, Side
from ledger.states import HoldState
from tests.ledger.cast import NOW, constraints_now, drawn, hold_of, limit, mirror, settled, write
from tests.roles import as_role

ACCOUNTS = ("receivable:basic_fund", "receivable:own_account", "counter_cash", "patient_deposits", "fees", "suspense")
amounts = st.integers(1, 10**12)


@st.composite
def balanced_legs(draw: st.DrawFn) -> list[LegDraft]:
    """Any number of legs in one or two currencies, the last one of each bringing the balance."""
    legs = []
    for currency in draw(st.sampled_from([["CNY"], ["CNY", "HKD"]])):
        drawn_legs = draw(
            st.lists(st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(Side), amounts), min_size=1, max_size=4)
        )
        rest_minor = sum(minor if side == Side.DEBIT else -minor for _, side, minor in drawn_legs)
        if rest_minor == 0:
            drawn_legs.append(("suspense", Side.DEBIT, 1))
            rest_minor = 1
        legs += [LegDraft(account, side, Money(minor, currency)) for account, side, minor in drawn_legs]
        closing = Side.CREDIT if rest_minor > 0 else Side.DEBIT
        legs.append(LegDraft(draw(st.sampled_from(ACCOUNTS)), closing, Money(abs(rest_minor), currency)))
    return legs


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), balanced_legs()),
        st.tuples(st.just("mirror"), st.integers(0, 20)),
        st.tuples(st.just("draw"), st.integers(1, 400)),
        st.tuples(st.just("hold"), st.integers(1, 400)),
        st.tuples(st.just("post"), st.tuples(st.integers(0, 20), st.integers(1, 400))),
        st.tuples(st.just("void"), st.integers(0, 20)),
        st.tuples(st.just("expire"), st.integers(0, 48)),
        st.tuples(st.just("limit"), st.integers(0, 1000)),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_any_order_of_acts_keeps_the_ledger_proven(book: BookKey, advances: BookKey, steps: list[Any]) -> None:
    with transaction.atomic():
        limit(advances, 1000)
        with as_role("worker"):
            for act, argument in steps:
                try:
                    with transaction.atomic():
                        ACTS[act](argument, book, advances)
                except Problem:
                    continue
            constraints_now()
            proof = services.prove()
        assert proof.holds, [check for check in proof.checks if not check.holds]
        transaction.set_rollback(True)
    services.directory.forget()


def _write(argument: Any, book: BookKey, advances: BookKey) -> None:
    write(settled(book, legs=argument, cause_id=uuid4()))


def _mirror(argument: Any, book: BookKey, advances: BookKey) -> None:
    postings = Posting.objects.order_by("pk")
    if postings:
        mirror(postings[argument % len(postings)])


def _draw(argument: Any, book: BookKey, advances: BookKey) -> None:
    write(drawn(advances, argument))


def _place(argument: Any, book: BookKey, advances: BookKey) -> None:
    expiry = NOW + timedelta(hours=1 + argument % 40)
    services.holds_place(drafts=[hold_of(advances, argument, expires_at=expiry)], now=NOW)


def _post(argument: Any, book: BookKey, advances: BookKey) -> None:
    position, minor = argument
    if hold := _hold(position):
        services.holds_post(posts=[HoldPost(hold_id=hold.pk, posting=drawn(advances, minor))], now=NOW)


def _void(argument: Any, book: BookKey, advances: BookKey) -> None:
    if hold := _hold(argument):
        services.holds_void(voids=[HoldVoid(hold_id=hold.pk, by="test", reason="")], now=NOW)


def _expire(argument: Any, book: BookKey, advances: BookKey) -> None:
    services.holds_expire(now=NOW + timedelta(hours=argument), by="test")


def _limit(argument: Any, book: BookKey, advances: BookKey) -> None:
    limit(advances, argument)


ACTS = {
    "write": _write,
    "mirror": _mirror,
    "draw": _draw,
    "hold": _place,
    "post": _post,
    "void": _void,
    "expire": _expire,
    "limit": _limit,
}


def _hold(position: int) -> Hold | None:
    holds = list(Hold.objects.order_by("pk"))
    return holds[position % len(holds)] if holds else None


@pytest.mark.parametrize("end", [state for state in HoldState if state != HoldState.OPEN])
def test_every_end_of_a_hold_can_be_reached(advances: BookKey, end: HoldState) -> None:
    limit(advances, 100)
    services.holds_place(drafts=[hold_of(advances, 10)], now=NOW)
    act: str
    argument: Any
    act, argument = {
        HoldState.POSTED: ("post", (0, 5)),
        HoldState.VOIDED: ("void", 0),
        HoldState.EXPIRED: ("expire", 48),
    }[end]
    ACTS[act](argument, advances, advances)
    assert Hold.objects.get().state == end
