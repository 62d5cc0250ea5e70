"""Who takes part: organisations, their people, their programs' keys; and the audit trail of what they did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser
from django.db import models

from accounts.states import OrganisationKind, Role


class Organisation(models.Model):
    code = models.SlugField(max_length=40, help_text="Stable public code, e.g. HOSP-A.")
    kind = models.CharField(max_length=20, choices=OrganisationKind)
    name = models.CharField(max_length=200)
    name_zh = models.CharField(max_length=200)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="children")
    time_zone = models.CharField(max_length=40, default="Asia/Shanghai")
    created_at = models.DateTimeField()
    suspended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["code"], name="one_organisation_per_code"),
            models.CheckConstraint(
                condition=~models.Q(kind="pharmacy_shop") | models.Q(parent__isnull=False), name="a_shop_has_a_chain"
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=[kind.value for kind in OrganisationKind]),
                name="organisation_kind_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class User(AbstractBaseUser):
    """A person who signs in. Belongs to one organisation; platform staff belong to the platform."""

    # Without it Django writes no row at sign-in, before anybody's organisation is known; the audit trail has the time.
    last_login = None
    username = models.CharField(max_length=80, unique=True)
    display_name = models.CharField(max_length=120)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="users")
    roles = models.JSONField(default=list, help_text="Codes of Role.")
    language = models.CharField(max_length=10, default="", blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    # Set when the user was read for a sign-in or a session: what his requests see, and whether he was stopped.
    organisations_seen: Sequence[int] | str = ()
    is_stopped = False

    # What Django's admin asks. Nobody holds permissions of Django's kind: each portal's site decides by role.
    is_superuser = False

    @property
    def is_staff(self) -> bool:
        return self.is_active and bool(self.roles)

    def has_role(self, *roles: Role) -> bool:
        """Whether the user is active and has at least one of `roles`."""
        return self.is_active and any(role.value in self.roles for role in roles)

    def has_perm(self, permission: str, obj: object = None) -> bool:
        return False

    def has_perms(self, permissions: Iterable[str], obj: object = None) -> bool:
        return False

    def has_module_perms(self, app_label: str) -> bool:
        return False

    def get_full_name(self) -> str:
        return self.display_name

    def get_short_name(self) -> str:
        return self.display_name

    def __str__(self) -> str:
        return self.username


class ClientKey(models.Model):
    """A program's key (HIS, EMR, a till). 256 random bits; only their SHA-256 is stored, found by the prefix."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="client_keys")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    digest = models.BinaryField()
    scopes = models.JSONField(default=list)
    terminal_no = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["prefix"], name="one_client_key_per_prefix")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"


class SignInTries(models.Model):
    """How often a sign-in was tried in the current window, per digest of a user name, an address, or the pair."""

    subject = models.CharField(max_length=64, primary_key=True, help_text="A digest: people type passwords as names.")
    tries = models.PositiveIntegerField()
    window_ends_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["window_ends_at"], name="sign_in_tries_by_end")]

    def __str__(self) -> str:
        return f"{self.tries} until {self.window_ends_at}"


class AuditEntry(models.Model):
    """One act worth remembering: sign-in, unmasking, key made, export, ruling. Append-only, sealed each minute."""

    id = models.BigAutoField(primary_key=True)
    organisation_id = models.BigIntegerField(help_text="Whose act it was; 0 when nobody is known yet.")
    at = models.DateTimeField()
    actor = models.TextField()
    action = models.TextField(help_text="noun.verb, e.g. client_key.created")
    subject = models.TextField(blank=True)
    details = models.JSONField(default=dict, help_text="No personal data, no secrets.")
    trace_id = models.TextField(blank=True)
    written_in = models.BigIntegerField(help_text="PostgreSQL transaction id, set by a trigger: what the seal goes by.")

    class Meta:
        indexes = [models.Index(fields=["written_in", "id"], name="audit_by_database_tx")]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"


class AuditSeal(models.Model):
    """A link of the chain: the digest over all entries of finished database transactions below `horizon`."""

    id = models.BigAutoField(primary_key=True)
    sealed_at = models.DateTimeField()
    horizon = models.BigIntegerField(help_text="Entries with from_horizon <= written_in < horizon are in this seal.")
    from_horizon = models.BigIntegerField()
    entries = models.PositiveIntegerField()
    leaves = models.BinaryField(help_text="Per entry its id and a keyed digest: they name the row that was changed.")
    previous = models.BinaryField()
    digest = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["from_horizon"], name="one_seal_follows_another"),
            models.CheckConstraint(
                condition=models.Q(horizon__gt=models.F("from_horizon")), name="a_seal_covers_something"
            ),
        ]

    def __str__(self) -> str:
        return f"seal to {self.horizon}"
