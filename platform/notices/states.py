"""Vocabularies of notices.

A delivery:

    QUEUED --> SENDING --> SENT
                  |  +---> QUEUED       no answer or a fault: once more, under the same reference
                  +------> FAILED       refused for good, or tried often enough
    SUPPRESSED                          said twice within minutes, nowhere to send it to, or too late to be of use
"""

from __future__ import annotations

from django.db import models


class Channel(models.TextChoices):
    """Ways out of the platform. The inbox is no channel: it always has the notice."""

    SMS = "SMS"
    EMAIL = "EMAIL"


class Category(models.TextChoices):
    """By what a reader may ask not to be told outside."""

    ACTION = "ACTION"  # Something waits for him.
    DECISION = "DECISION"
    PROGRESS = "PROGRESS"
    ACCESS = "ACCESS"  # Who may act for him; cannot be muted.


class DeliveryState(models.TextChoices):
    QUEUED = "QUEUED"
    SENDING = "SENDING"
    SENT = "SENT"
    FAILED = "FAILED"
    SUPPRESSED = "SUPPRESSED"
