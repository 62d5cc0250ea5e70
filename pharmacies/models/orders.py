"""Orders: what a shop is asked to hand over for a claim, to whom it was offered, and the code that fetches it."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from pharmacies.models.stock import StockLot
from pharmacies.states import CodeState, Handing, OrderFlow, RefusalReason


class Order(OrderFlow):
    """`organisation` is the shop's that has the order now; prices are fixed when it is accepted."""

    id = models.UUIDField(primary_key=True)
    order_no = models.CharField(max_length=30, unique=True)
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    shop = models.ForeignKey("registry.Shop", on_delete=models.PROTECT, related_name="+")
    claim = models.ForeignKey("claims.Claim", on_delete=models.PROTECT, related_name="+")
    episode = models.PositiveSmallIntegerField(default=1, help_text="The claim's when the order was made.")
    person = models.ForeignKey("registry.Person", on_delete=models.PROTECT, related_name="+")
    handing = models.CharField(max_length=20, choices=Handing, default=Handing.PICK_UP)
    round = models.PositiveSmallIntegerField(default=1, help_text="Counts up with each shop it is offered to.")
    offered_at = models.DateTimeField()
    answer_by = models.DateTimeField(help_text="Until then the shop answers, else it is offered on.")
    accepted_at = models.DateTimeField(null=True, blank=True)
    fetch_by = models.DateTimeField(null=True, blank=True, help_text="The code's end.")
    total_minor = models.BigIntegerField(default=0, help_text="All lines at the accepted price.")
    currency = models.CharField(max_length=3, default="CNY")
    asks_farther_metres = models.PositiveIntegerField(
        null=True, blank=True, help_text="The next shop is that far, farther than the patient wished: he is asked."
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["claim"], condition=~Q(state__in=("CANCELLED", "RETURNED")), name="one_running_order_per_claim"
            ),
        ]
        indexes = [
            models.Index(fields=["organisation", "state", "offered_at"], name="orders_of_a_shop"),
            models.Index(fields=["answer_by"], condition=Q(state="OFFERED"), name="orders_without_an_answer"),
            models.Index(fields=["fetch_by"], condition=Q(state="READY"), name="orders_to_be_fetched"),
        ]

    def __str__(self) -> str:
        return self.order_no


class OrderLine(models.Model):
    """What is ordered, handed over, and still open: ordered - handed - given_up."""

    id = models.UUIDField(primary_key=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="lines")
    line_no = models.PositiveSmallIntegerField(help_text="The claim's.")
    drug = models.ForeignKey("registry.Drug", on_delete=models.PROTECT, related_name="+")
    ordered = models.PositiveSmallIntegerField()
    handed = models.PositiveSmallIntegerField(default=0)
    given_up = models.PositiveSmallIntegerField(default=0, help_text="Of a partial supply: will not be handed over.")
    unit_price_minor = models.BigIntegerField()
    price_source = models.CharField(max_length=80, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "line_no"], name="one_order_line_per_number"),
            models.CheckConstraint(
                condition=Q(ordered__gte=F("handed") + F("given_up")), name="no_more_is_handed_than_ordered"
            ),
        ]

    def __str__(self) -> str:
        return f"line {self.line_no} of {self.order_id}"


class Offer(models.Model):
    """One shop that was asked, and what it said. The outcome is written once."""

    id = models.UUIDField(primary_key=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="offers")
    shop = models.ForeignKey("registry.Shop", on_delete=models.PROTECT, related_name="+")
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    round = models.PositiveSmallIntegerField()
    distance_metres = models.PositiveIntegerField(null=True, blank=True)
    offered_at = models.DateTimeField()
    outcome = models.CharField(
        max_length=12, blank=True, help_text="ACCEPTED, REFUSED, EXPIRED, CANCELLED; empty: open."
    )
    reason = models.CharField(max_length=24, choices=RefusalReason, blank=True)
    note = models.CharField(max_length=200, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "round"], name="one_offer_per_order_and_round"),
            models.UniqueConstraint(fields=["order"], condition=Q(outcome=""), name="one_open_offer_per_order"),
        ]

    def __str__(self) -> str:
        return f"round {self.round} of {self.order_id}"


class Reservation(models.Model):
    """Boxes of a lot that are kept for a line. Deleted rows would be forgotten ones: freed ones have quantity 0."""

    id = models.UUIDField(primary_key=True)
    line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="reservations")
    lot = models.ForeignKey(StockLot, on_delete=models.PROTECT, related_name="reservations")
    quantity = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["line", "lot"], name="one_reservation_per_line_and_lot")]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.lot_id}"


class PickUpCode(models.Model):
    """The secret that fetches an order, once: a sealed seed for the rotating QR, a salted hash for the six digits."""

    id = models.UUIDField(primary_key=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="codes")
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    sealed_seed = models.BinaryField()
    salt = models.BinaryField(max_length=16)
    digits_hash = models.BinaryField(max_length=32)
    usable = models.BooleanField(default=True, help_text="False while the insurer has to confirm first.")
    expires_at = models.DateTimeField()
    tries_left = models.PositiveSmallIntegerField(default=5)
    shown_at = models.DateTimeField(null=True, blank=True, help_text="When it was found right at the counter.")
    shown_by = models.CharField(max_length=120, blank=True)
    outcome = models.CharField(max_length=8, choices=CodeState, default=CodeState.ACTIVE)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order"], condition=Q(outcome="ACTIVE"), name="one_live_code_per_order")
        ]

    def __str__(self) -> str:
        return f"code of {self.order_id}"
