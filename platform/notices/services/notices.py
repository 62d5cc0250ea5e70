"""Tell a person something: once in his inbox, and outside by the channels he wishes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from core.bulk import rows_insert_new
from core.errors import NotFound
from core.ids import uuid7
from notices.models import Delivery, Notice, Preference
from notices.selectors import preference_of
from notices.services.deliveries import deliveries_queue
from notices.states import Channel, DeliveryState
from notices.wordings import INSIDE_NAMES, WORDINGS
from registry.selectors.persons import person_by_id, person_current

SAME_MINUTES: Final = 10


class WordingUnknown(Exception):
    """A kind of notice that has no wording, or a value that no wording may name: a fault of ours."""


@transaction.atomic
def notice_offer(
    *, person_id: UUID, kind: str, cause: str, subject: str, values: Mapping[str, Any], now: datetime, trace_id: str
) -> Notice | None:
    """Tell the person of `cause`, once; None when he was told already, has died or was erased, or is not seen here.

    `values` fill the wording of `kind`; texts of at most 80 characters. What leaves the platform names none of them.
    Raises WordingUnknown.
    """
    wording = WORDINGS.get(kind)
    if wording is None or not set(values) <= INSIDE_NAMES:
        raise WordingUnknown(kind, sorted(set(values) - INSIDE_NAMES))
    found = person_by_id(person_id=person_id)
    person = person_current(person=found) if found is not None else None
    if person is None or person.died_on is not None or person.erased_at is not None:
        return None
    notice = Notice(
        id=uuid7(now),
        person_id=person.pk,
        kind=kind,
        cause=cause,
        subject=subject,
        values={name: str(value)[:80] for name, value in values.items()},
        created_at=now,
    )
    if not rows_insert_new([notice], returning="id"):
        return None
    preference = preference_of(person_id=person.pk)
    if not preference.is_muted(wording.category):
        deliveries_queue(
            deliveries=[_delivery(notice, channel, now) for channel in _channels(preference)],
            preference=preference,
            now=now,
            trace_id=trace_id,
        )
    return notice


@transaction.atomic
def notice_read(*, notice_id: UUID, person_id: UUID, now: datetime) -> Notice:
    """The reader has opened it; the first time counts. Raises NotFound also for another reader's."""
    notice = Notice.objects.select_for_update().filter(pk=notice_id, person_id=person_id).first()
    if notice is None:
        raise NotFound(noun="notice", noun_zh="消息", key=notice_id)
    if notice.read_at is None:
        notice.read_at = now
        notice.save(update_fields=["read_at"])
    return notice


def notices_read_all(*, person_id: UUID, now: datetime) -> int:
    """Everything in the inbox counts as read; returns how many were not."""
    return Notice.objects.filter(person_id=person_id, read_at__isnull=True).update(read_at=now)


def _channels(preference: Preference) -> list[Channel]:
    wished = {Channel.SMS: preference.sms, Channel.EMAIL: preference.email}
    return [channel for channel, yes in wished.items() if yes]


def _delivery(notice: Notice, channel: Channel, now: datetime) -> Delivery:
    """Queued, or suppressed where the same was said about the same thing a moment ago."""
    since = now - timedelta(minutes=SAME_MINUTES)
    alike = Notice.objects.filter(
        person_id=notice.person_id, kind=notice.kind, subject=notice.subject, created_at__gte=since
    )
    again = alike.exclude(pk=notice.pk).exists()
    return Delivery(
        id=uuid7(now),
        notice=notice,
        channel=channel,
        state=DeliveryState.SUPPRESSED if again else DeliveryState.QUEUED,
        reason="said a moment ago" if again else "",
        not_before=now,
        created_at=now,
    )
