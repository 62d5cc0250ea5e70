"""What lies on a shop's shelves, by lot: counts that only moves change."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from pharmacies.states import StockMoveKind


class StockLot(models.Model):
    """One lot of one drug in one shop. `reserved` is part of `on_hand`; `quarantined` is not."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    shop = models.ForeignKey("registry.Shop", on_delete=models.PROTECT, related_name="+")
    drug = models.ForeignKey("registry.Drug", on_delete=models.PROTECT, related_name="+")
    lot_no = models.CharField(max_length=40)
    expires_on = models.DateField()
    on_hand = models.PositiveIntegerField(default=0, help_text="Units of the drug that may be sold.")
    reserved = models.PositiveIntegerField(default=0)
    quarantined = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shop", "drug", "lot_no"], name="one_row_per_shop_drug_and_lot"),
            models.CheckConstraint(condition=Q(reserved__lte=F("on_hand")), name="no_box_is_reserved_twice"),
        ]
        indexes = [models.Index(fields=["drug", "shop", "expires_on"], name="lots_by_drug")]

    def __str__(self) -> str:
        return f"{self.drug_id} {self.lot_no}"


class StockMove(models.Model):
    """One change of a lot's counts, with its cause. Append-only."""

    id = models.UUIDField(primary_key=True)
    lot = models.ForeignKey(StockLot, on_delete=models.PROTECT, related_name="moves")
    organisation_id = models.BigIntegerField()
    kind = models.CharField(max_length=10, choices=StockMoveKind)
    quantity = models.PositiveIntegerField()
    cause_id = models.UUIDField(help_text="Order line, hand-over, import row or count.")
    episode = models.PositiveSmallIntegerField(default=1)
    at = models.DateTimeField()
    by = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lot", "cause_id", "kind", "episode"], name="one_stock_move_per_cause"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="a_stock_move_moves_something"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.quantity}"


class StockImport(models.Model):
    """A file of stock that was read: its hash once, its totals, what became of it. Append-only."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    file_name = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    lines = models.PositiveIntegerField()
    units = models.PositiveIntegerField()
    at = models.DateTimeField()
    by = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "digest"], name="a_stock_file_is_read_once"),
        ]

    def __str__(self) -> str:
        return self.file_name
