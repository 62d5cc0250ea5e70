"""Where wishes go: insurers' interfaces, their keys and proven capabilities, and the routes that lead there."""

from __future__ import annotations

from django.db import models

from exchange.states import GrantSource


class InsurerInterface(models.Model):
    """One address at which an insurer can be called, with the dialect and envelope it speaks. Runs on one lane."""

    code = models.SlugField(max_length=40)
    insurer = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    lane = models.OneToOneField("journal.Lane", on_delete=models.PROTECT, related_name="+")
    dialect = models.CharField(max_length=20, default="native")
    envelope = models.CharField(max_length=20, default="hmac")
    base_url = models.URLField(help_text="https; plain http for a sandbox on loopback only.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["code"], name="one_interface_per_code")]

    def __str__(self) -> str:
        return self.code


class InterfaceKey(models.Model):
    """A shared secret of an interface's envelope. Two may be live while one replaces the other."""

    interface = models.ForeignKey(InsurerInterface, on_delete=models.PROTECT, related_name="keys")
    key_id = models.CharField(max_length=40)
    sealed_secret = models.BinaryField()
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["interface", "key_id"], name="one_interface_key_per_id")]

    def __str__(self) -> str:
        return f"{self.interface_id}/{self.key_id}"


class CapabilityGrant(models.Model):
    """What an interface has been proven to do. Everything not granted is false, every number not granted is absent."""

    interface = models.ForeignKey(InsurerInterface, on_delete=models.PROTECT, related_name="grants")
    name = models.CharField(max_length=40)
    value = models.JSONField()
    source = models.CharField(max_length=20, choices=GrantSource)
    granted_at = models.DateTimeField()
    granted_by = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["interface", "name"], name="one_grant_per_capability")]

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


class Route(models.Model):
    """Which interface a wish goes to. The most specific rule in force on the day wins; `*` matches anything."""

    scheme = models.CharField(max_length=20)
    region = models.CharField(max_length=20, default="*")
    person_index = models.BinaryField(null=True, blank=True, help_text="Blind index: a rule for one person.")
    interface = models.ForeignKey(InsurerInterface, on_delete=models.PROTECT, related_name="routes")
    valid_from = models.DateField()
    valid_to = models.DateField(null=True, blank=True, help_text="Last day in force.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["scheme", "region", "person_index", "valid_from"],
                name="one_route_per_rule_and_day",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=models.Q(valid_to__isnull=True) | models.Q(valid_to__gte=models.F("valid_from")),
                name="a_route_ends_after_it_begins",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scheme}/{self.region}"
