"""Vocabulary of the bank's side: how an entry was understood, and what a message to the bank brought."""

from django.db import models


class Direction(models.TextChoices):
    CREDIT = "CREDIT"
    DEBIT = "DEBIT"


class EntryOutcome(models.TextChoices):
    """What a line of the bank's statement turned out to be. Credits begin as NEW and are for collections to read."""

    NEW = "NEW"
    PAYMENT = "PAYMENT"  # Debit: the payment that it books is named.
    RETURN = "RETURN"  # Credit: a payment of ours that came back.
    ALLOCATED = "ALLOCATED"  # Credit: matched whole to what was owed.
    SUSPENSE = "SUSPENSE"  # Credit: somebody must find out, wholly or for the rest.
    UNMATCHED = "UNMATCHED"  # Debit: nothing of ours; a person looks.


class StatementFormat(models.TextChoices):
    CAMT053 = "CAMT053"
    CSV = "CSV"


class BankMessageKind(models.TextChoices):
    SEND = "SEND"
    QUERY = "QUERY"


class BankOutcome(models.TextChoices):
    """What one message about a payment brought. Whatever contradicts itself is UNKNOWN."""

    TAKEN = "TAKEN"
    BOOKED = "BOOKED"
    REFUSED = "REFUSED"
    RETURNED = "RETURNED"
    NOT_FOUND = "NOT_FOUND"
    NOT_SENT = "NOT_SENT"
    UNKNOWN = "UNKNOWN"
