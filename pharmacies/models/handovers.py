"""The moment the box changes hands, who signed for it, which boxes they were; and goods that come back."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from pharmacies.models.orders import Order, OrderLine
from pharmacies.models.stock import StockLot
from pharmacies.states import BasicPurpose, Handing, HandOverState, PharmacistRole, ReturnReason


class Pharmacist(models.Model):
    """Who may sign at a shop, as what, until when."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    username = models.CharField(max_length=80, help_text="For sign-in.")
    name = models.CharField(max_length=120)
    licence_no = models.CharField(max_length=60)
    licence_until = models.DateField()
    roles = models.JSONField(default=list, help_text="Codes of PharmacistRole.")
    left_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "username"], name="one_pharmacist_per_shop_and_user"),
        ]

    def __str__(self) -> str:
        return self.name


class HandOver(models.Model):
    """One giving of goods for an order. Its money is drawn in the commit that makes it DONE."""

    id = models.UUIDField(primary_key=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="handovers")
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    number = models.PositiveSmallIntegerField(help_text="1 for the first of the order.")
    handing = models.CharField(max_length=20, choices=Handing)
    outcome = models.CharField(max_length=10, choices=HandOverState, default=HandOverState.PENDING)
    amount_minor = models.BigIntegerField(help_text="Boxes at the accepted price.")
    idempotency_key = models.CharField(max_length=80)
    audited_by = models.ForeignKey(Pharmacist, on_delete=models.PROTECT, related_name="+")
    dispensed_by = models.ForeignKey(Pharmacist, on_delete=models.PROTECT, related_name="+")
    checked_by = models.ForeignKey(Pharmacist, on_delete=models.PROTECT, related_name="+")
    cold_chain_log = models.JSONField(
        default=list, blank=True, help_text="[{at, celsius_tenths}], where the drug asks."
    )
    courier_no = models.CharField(max_length=40, blank=True)
    proof_sealed = models.BinaryField(null=True, blank=True, help_text="Photo and signature of a delivery.")
    give_up_rest = models.BooleanField(default=False, help_text="What is not handed over now never will be.")
    supply = models.JSONField(
        default=dict, blank=True, help_text="What the registry said before and after: to take the supply back."
    )
    waits_for = models.CharField(max_length=40, blank=True, help_text="basic_insurance, advance; empty when done.")
    opened_at = models.DateTimeField()
    opened_by = models.CharField(max_length=120)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "number"], name="one_handover_per_number"),
            models.UniqueConstraint(fields=["order", "idempotency_key"], name="a_handover_is_asked_once"),
            models.UniqueConstraint(
                fields=["order"], condition=Q(outcome="PENDING"), name="one_pending_handover_per_order"
            ),
        ]

    def __str__(self) -> str:
        return f"hand-over {self.number} of {self.order_id}"


class HandedBox(models.Model):
    """Boxes of a lot in a hand-over, with their trace codes."""

    id = models.UUIDField(primary_key=True)
    handover = models.ForeignKey(HandOver, on_delete=models.PROTECT, related_name="boxes")
    line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="boxes")
    lot = models.ForeignKey(StockLot, on_delete=models.PROTECT, related_name="+")
    quantity = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(quantity__gt=0), name="a_handed_box_is_a_box")]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.lot_id}"


class TraceCode(models.Model):
    """A box's own number, sold once in the whole country. Free again only by an undone hand-over."""

    id = models.UUIDField(primary_key=True)
    code = models.CharField(max_length=40)
    box = models.ForeignKey(HandedBox, on_delete=models.PROTECT, related_name="trace_codes")
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    live = models.BooleanField(default=True, help_text="False: that hand-over was undone or aborted.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["code"], condition=Q(live=True), name="a_box_is_sold_once"),
        ]

    def __str__(self) -> str:
        return self.code


class GoodsReturn(models.Model):
    """A hand-over that came back whole. Money is undone payer by payer, in reverse order, before it is `ended`."""

    id = models.UUIDField(primary_key=True)
    handover = models.OneToOneField(HandOver, on_delete=models.PROTECT, related_name="goods_return")
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=20, choices=ReturnReason)
    note = models.CharField(max_length=200, blank=True)
    waits_for = models.CharField(max_length=40, blank=True, help_text="basic_insurance; empty when done.")
    opened_at = models.DateTimeField()
    opened_by = models.CharField(max_length=120)
    ended_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"return of {self.handover_id}"


class BasicSettlement(models.Model):
    """What basic insurance was asked through job A for an order, and its verdict. `his_no` is ours, unique for ever."""

    id = models.UUIDField(primary_key=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="basic_settlements")
    handover = models.ForeignKey(HandOver, null=True, on_delete=models.PROTECT, related_name="basic_settlements")
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    purpose = models.CharField(max_length=10, choices=BasicPurpose)
    number = models.PositiveSmallIntegerField(default=1, help_text="Counts up with each one of the order and purpose.")
    of = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="cancels")
    his_no = models.CharField(max_length=64)
    transaction_id = models.UUIDField(help_text="Of exchange.")
    verdict = models.CharField(max_length=12, blank=True, help_text="Final word of job A; empty while it is open.")
    reason = models.CharField(max_length=60, default="", blank=True, help_text="Code of why not, from job A.")
    fund_minor = models.BigIntegerField(null=True, blank=True, help_text="Paid by basic insurance, by its fact.")
    cash_minor = models.BigIntegerField(null=True, blank=True, help_text="Left by it to others.")
    looks = models.PositiveIntegerField(default=0)
    unwanted_at = models.DateTimeField(null=True, blank=True, help_text="The hand-over was given up: cancel it.")
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "his_no"], name="one_basic_settlement_per_his_no"),
            models.UniqueConstraint(
                fields=["order", "purpose", "number"], name="one_basic_settlement_per_order_and_number"
            ),
            models.UniqueConstraint(
                fields=["handover"],
                condition=Q(purpose="settle", verdict__in=("", "succeeded", "stands")),
                name="one_live_basic_settlement_per_handover",
            ),
            models.UniqueConstraint(
                fields=["of"], condition=Q(verdict__in=("", "succeeded")), name="one_live_cancel_of_a_basic_settlement"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.his_no}"


ROLES = {
    PharmacistRole.AUDIT: "audited_by",
    PharmacistRole.DISPENSE: "dispensed_by",
    PharmacistRole.CHECK: "checked_by",
}
