"""Arithmetic of a bill, over plain values."""

from __future__ import annotations

from collections.abc import Iterable

from exchange.states import OPEN, TransactionState


def is_square(wishes: Iterable[tuple[str, int]]) -> bool:
    """Whether a bill's MOVES wishes, given as (state, total_minor), leave nothing open.

    The price is what is settled or in the open. Where a settlement is live, the own share counts as collected, so a
    live wish covers its total and an open one covers nothing yet.
    """
    price = covered = 0
    for state, total_minor in wishes:
        if state == TransactionState.SUCCEEDED:
            price, covered = price + total_minor, covered + total_minor
        elif state in OPEN:
            price += total_minor
    return price == covered
