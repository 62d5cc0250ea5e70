"""Vocabularies of collections. They have no machine: allocations are added and undone, never changed."""

from __future__ import annotations

from django.db import models


class AllocationKind(models.TextChoices):
    COLLECT = "COLLECT"
    CLAW_BACK = "CLAW_BACK"  # The insurer kept back what it had paid for another leg.


class AllocationWay(models.TextChoices):
    TEXT = "TEXT"  # By the numbers in the transfer's own text.
    ADVICE = "ADVICE"
    HAND = "HAND"
