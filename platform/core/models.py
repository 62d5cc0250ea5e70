"""Tables of the core: the append-only log of state changes and the wrapped data keys."""

from __future__ import annotations

from django.db import models


class Transition(models.Model):
    """One state change of one row of any machine. Written by the trigger `state_log` only, never by Python."""

    id = models.BigAutoField(primary_key=True)
    entity = models.TextField(help_text="Table name of the row that moved.")
    entity_id = models.TextField()
    organisation_id = models.BigIntegerField()
    from_state = models.TextField()
    to_state = models.TextField()
    version = models.PositiveIntegerField()
    at = models.DateTimeField()
    by = models.TextField(help_text="Who or what moved it: a client key, a user, a service.")
    reason = models.TextField()
    trace_id = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["entity_id", "version"], name="transition_by_entity")]

    def __str__(self) -> str:
        return f"{self.entity} {self.from_state} -> {self.to_state}"


class DataKey(models.Model):
    """A data key, wrapped by a master key. Job A has one per organisation and month, job B one per person."""

    id = models.BigAutoField(primary_key=True)
    organisation_id = models.BigIntegerField()
    scope = models.TextField(help_text="What the key encrypts, e.g. `exchange:3:2026-11`.")
    master_key_id = models.TextField()
    wrapped = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope"], name="one_data_key_per_scope")]

    def __str__(self) -> str:
        return self.scope
