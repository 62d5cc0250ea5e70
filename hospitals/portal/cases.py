"""A transaction as a case to work on: what it is, its money, what waits for a second name, and its buttons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from exchange.models import DeskAct, Ruling, Transaction
from exchange.selectors.moves import Move, moves_of, standings_of
from exchange.states import TransactionState
from portal.acting import Button
from portal.labels import label
from portal.site import PortalSite

S = TransactionState


@dataclass(frozen=True, slots=True)
class Case:
    row: Transaction
    buttons: Sequence[Button]
    ruling: Ruling | None
    waiting: Sequence[DeskAct]

    @property
    def cash_minor(self) -> int:
        """Cash on the bill that was not given back."""
        return self.row.bill.collected_minor - self.row.bill.refunded_minor if self.row.bill else 0

    @property
    def due_minor(self) -> int:
        """The patient's surplus."""
        return self.row.bill.refund_due_minor if self.row.bill else 0


def cases_of(site: PortalSite, rows: Sequence[Transaction], *, back: str) -> list[Case]:
    """`back` is the page to return to after an act."""
    standings = standings_of(rows)
    return [
        Case(
            row=row,
            buttons=[_button(site, row, move, back) for move in moves_of(row, standings[row.pk])],
            ruling=standings[row.pk].ruling,
            waiting=standings[row.pk].waiting,
        )
        for row in rows
    ]


def act_link(site: PortalSite, row: Transaction, act: str, *, back: str) -> str:
    return reverse(f"{site.name}:act", args=[row.pk, act]) + "?" + urlencode({"back": back})


def _button(site: PortalSite, row: Transaction, move: Move, back: str) -> Button:
    return Button(
        act=move.act,
        title=label("act", move.act),
        link=act_link(site, row, move.act, back=back),
        why_not=label("why_not", move.why_not) if move.why_not else "",
        main=_is_main(row, move),
    )


def _is_main(row: Transaction, move: Move) -> bool:
    """The one button that most likely is what the person came for."""
    if move.why_not:
        return False
    if move.act == "refunded":
        return True
    return move.act == {S.NEEDS_HUMAN: "rule", S.IN_DOUBT: "query-again"}.get(S(row.state), "")
