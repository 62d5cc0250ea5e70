"""What people were told, where it was sent, and how they wish to be told."""

from __future__ import annotations

from datetime import time

from django.db import models
from django.db.models import Q

from notices.states import Category, Channel, DeliveryState

QUIET_FROM, QUIET_UNTIL = time(22), time(8)


class Notice(models.Model):
    """One thing told to one person: the event table, and his inbox. The words are made from `kind` when it is read."""

    id = models.UUIDField(primary_key=True)
    person = models.ForeignKey("registry.Person", on_delete=models.PROTECT, related_name="+", help_text="The reader.")
    kind = models.CharField(max_length=40, help_text="A wording of notices.wordings.")
    cause = models.CharField(max_length=80, help_text="What it tells of: the same cause is told once.")
    subject = models.CharField(max_length=80, help_text="The thing it is about, e.g. claim:<id>.")
    values = models.JSONField(default=dict, help_text="What the wording names. No name, no diagnosis, no amount.")
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "cause"], name="a_person_is_told_once_per_cause")]
        indexes = [
            models.Index(fields=["person", "-id"], name="inbox_of_a_person"),
            models.Index(fields=["person", "kind", "subject", "-created_at"], name="notices_like_this_one"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Delivery(models.Model):
    """One message that leaves the platform. Of a notice, address and words are looked up when it is sent; a message to
    somebody who is not known yet, such as a sign-in code, carries both sealed until it is sent.
    """

    id = models.UUIDField(primary_key=True, help_text="Also the reference that the provider knows it by.")
    notice = models.ForeignKey(Notice, null=True, on_delete=models.PROTECT, related_name="deliveries")
    channel = models.CharField(max_length=5, choices=Channel)
    state = models.CharField(max_length=10, choices=DeliveryState, default=DeliveryState.QUEUED)
    reason = models.CharField(max_length=80, blank=True, help_text="Why it failed or was suppressed. No personal data.")
    sealed_message = models.BinaryField(null=True, help_text="Address and text of a message without notice.")
    not_before = models.DateTimeField(help_text="The end of quiet hours.")
    expires_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    provider_no = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["notice", "channel"], name="one_delivery_per_notice_and_channel"),
            models.CheckConstraint(
                condition=~Q(state=DeliveryState.SENT) | Q(sent_at__isnull=False), name="what_is_sent_has_its_moment"
            ),
            models.CheckConstraint(
                condition=Q(notice__isnull=False)
                | Q(sealed_message__isnull=False)
                | Q(state__in=(DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.SUPPRESSED)),
                name="a_message_has_words_until_it_ends",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.id}"


class Preference(models.Model):
    """How a person wishes to be told. Without a row: SMS in Chinese, quiet at night."""

    person = models.OneToOneField("registry.Person", primary_key=True, on_delete=models.PROTECT, related_name="+")
    language = models.CharField(max_length=10, choices=(("en", "English"), ("zh-hans", "简体中文")), default="zh-hans")
    sms = models.BooleanField(default=True)
    email = models.BooleanField(default=False)
    sealed_email = models.BinaryField(null=True)
    muted = models.JSONField(default=list, blank=True, help_text="Codes of Category not to be told outside.")
    quiet_from = models.TimeField(default=QUIET_FROM)
    quiet_until = models.TimeField(default=QUIET_UNTIL, help_text="Equal to the beginning: never quiet.")
    changed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(email=False) | Q(sealed_email__isnull=False), name="mail_needs_an_address"
            )
        ]

    def __str__(self) -> str:
        return str(self.person_id)

    def is_muted(self, category: Category) -> bool:
        return category != Category.ACCESS and category in self.muted
