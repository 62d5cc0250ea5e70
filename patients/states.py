"""Vocabularies of the patients' side: who acts for whom, what about, and with which rights."""

from __future__ import annotations

from django.db import models


class Capacity(models.TextChoices):
    """As what somebody acts for a person."""

    SELF = "SELF"
    GUARDIAN = "GUARDIAN"
    HELPER = "HELPER"


class HelperScope(models.TextChoices):
    """What a helper may do. To receive money is none of it."""

    SEE = "SEE"
    UPLOAD = "UPLOAD"
    SUBMIT = "SUBMIT"
    COLLECT = "COLLECT"  # The goods, with the pick-up code.


class ConsentCode(models.TextChoices):
    PRIVACY = "PRIVACY"
    HEALTH_DATA = "HEALTH_DATA"
    CLAIM = "CLAIM"


class Topic(models.TextChoices):
    APPLICATION = "APPLICATION"
    MATERIALS = "MATERIALS"
    APPEAL = "APPEAL"
    SIGN_IN = "SIGN_IN"
    OTHER = "OTHER"


class Side(models.TextChoices):
    PATIENT = "PATIENT"
    SEAT = "SEAT"  # A person of customer service.
