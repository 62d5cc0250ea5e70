"""Goods: an order from its offer to the hand-over. Review and money have machines of their own.

    OFFERED --> ACCEPTED --> READY --> HANDED_OVER --> RETURNED      the goods came back, into quarantine
      |  |         |  |       | |  <----- +                          undone while the box is on the counter
      |  +--> REFUSED <+------+ |                                    coded; offered on: OFFERED again, another shop
      +-----> EXPIRED <---------+                                    nobody answered, nobody came; may be offered on
    before the goods are handed over --> CANCELLED                   the claim ended, or the money is not there

A pharmacy's way in:

    APPLIED --> CONDITIONS_CHECKED --> LIVE <--> SUSPENDED
       ^---------------+                              conditions fail, or a licence has run out

A transition changes the row's own fields only. The same moves stand in the triggers `state_guard`.
"""

from __future__ import annotations

from django.db import models
from django_fsm import FSMField, transition

from core.transitions import StatefulRow


class OrderState(models.TextChoices):
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"
    READY = "READY"
    HANDED_OVER = "HANDED_OVER"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    RETURNED = "RETURNED"


O = OrderState  # noqa: E741
OPEN = (O.OFFERED, O.ACCEPTED, O.READY)


class OrderFlow(StatefulRow):
    state = FSMField(choices=OrderState, default=OrderState.OFFERED, protected=True)

    class Meta:
        abstract = True

    @transition(field=state, source=O.OFFERED, target=O.ACCEPTED)
    def accept(self) -> None:
        """Stock reserved, materials looked at, price fixed."""

    @transition(field=state, source=(O.OFFERED, O.ACCEPTED, O.READY), target=O.REFUSED)
    def refuse(self) -> None:
        """With a coded reason; what was reserved is free, the code void."""

    @transition(field=state, source=(O.REFUSED, O.EXPIRED), target=O.OFFERED)
    def offer_on(self) -> None:
        """To the next shop."""

    @transition(field=state, source=O.ACCEPTED, target=O.READY)
    def make_ready(self) -> None:
        """Money is held and the code exists."""

    @transition(field=state, source=O.READY, target=O.HANDED_OVER)
    def hand_over(self) -> None:
        """Everything that was ordered, or the rest was given up."""

    @transition(field=state, source=O.HANDED_OVER, target=O.READY)
    def undo(self) -> None:
        """The box is still on the counter and nothing was uploaded."""

    @transition(field=state, source=(O.OFFERED, O.ACCEPTED, O.READY), target=O.EXPIRED)
    def expire(self) -> None:
        """Nobody answered, or nobody came."""

    @transition(field=state, source=(O.OFFERED, O.ACCEPTED, O.READY, O.REFUSED, O.EXPIRED), target=O.CANCELLED)
    def cancel(self) -> None:
        """Nothing will be handed over."""

    @transition(field=state, source=O.HANDED_OVER, target=O.RETURNED)
    def give_back(self) -> None:
        """All of it; each payer is undone in reverse order."""


class RefusalReason(models.TextChoices):
    """Why a shop does not take an order. Each leads on to another shop, and the patient is told."""

    OUT_OF_STOCK = "OUT_OF_STOCK"
    SHORT_DATED = "SHORT_DATED"
    COLD_CHAIN_BROKEN = "COLD_CHAIN_BROKEN"
    MATERIALS_UNCLEAR = "MATERIALS_UNCLEAR"
    PRESCRIPTION_DOUBTED = "PRESCRIPTION_DOUBTED"
    TOO_BUSY = "TOO_BUSY"
    CLOSED = "CLOSED"


class Handing(models.TextChoices):
    PICK_UP = "PICK_UP"
    COURIER = "COURIER"
    INFUSION_CENTRE = "INFUSION_CENTRE"


class CodeState(models.TextChoices):
    ACTIVE = "ACTIVE"
    USED = "USED"
    VOID = "VOID"


class HandOverState(models.TextChoices):
    """PENDING: code used and boxes named, and basic insurance or the advance has not answered: no goods leave."""

    PENDING = "PENDING"
    DONE = "DONE"
    ABORTED = "ABORTED"
    UNDONE = "UNDONE"
    RETURNED = "RETURNED"


class PharmacistRole(models.TextChoices):
    AUDIT = "AUDIT"  # 审方
    DISPENSE = "DISPENSE"  # 调配
    CHECK = "CHECK"  # 核对


class ReturnReason(models.TextChoices):
    QUALITY = "QUALITY"
    RECALL = "RECALL"
    WRONG_ITEM = "WRONG_ITEM"
    WRONG_PERSON = "WRONG_PERSON"


class BasicPurpose(models.TextChoices):
    """What basic insurance is asked for through job A."""

    PRESETTLE = "presettle"  # The estimate on which money is held.
    SETTLE = "settle"
    CANCEL = "cancel"


class StockMoveKind(models.TextChoices):
    """A lot's counts are the sum of its moves; a trigger keeps them."""

    IN = "IN"
    RESERVE = "RESERVE"
    RELEASE = "RELEASE"
    OUT = "OUT"  # Handed over: reserved becomes gone.
    UNDO = "UNDO"  # Back on the counter: gone becomes reserved.
    QUARANTINE = "QUARANTINE"  # Came back: never sold again.
    WRITE_OFF = "WRITE_OFF"  # Counted less, broken, expired.


class EntryState(models.TextChoices):
    APPLIED = "APPLIED"
    CONDITIONS_CHECKED = "CONDITIONS_CHECKED"
    LIVE = "LIVE"
    SUSPENDED = "SUSPENDED"


class EntryFlow(StatefulRow):
    state = FSMField(choices=EntryState, default=EntryState.APPLIED, protected=True)

    class Meta:
        abstract = True

    @transition(field=state, source=EntryState.APPLIED, target=EntryState.CONDITIONS_CHECKED)
    def conditions_found_good(self) -> None:
        """Licence, contract terms, account, pharmacists: each checked by whom it concerns."""

    @transition(field=state, source=EntryState.CONDITIONS_CHECKED, target=EntryState.APPLIED)
    def send_back(self) -> None:
        """A condition does not hold any more."""

    @transition(field=state, source=(EntryState.CONDITIONS_CHECKED, EntryState.SUSPENDED), target=EntryState.LIVE)
    def go_live(self) -> None:
        """It gets orders."""

    @transition(field=state, source=EntryState.LIVE, target=EntryState.SUSPENDED)
    def suspend(self) -> None:
        """No new orders; what is ready is still handed over."""
