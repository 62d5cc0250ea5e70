"""Messages on their way out: queued with a job in the same commit, sent by a worker, never lost and never doubled."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings

from core.bulk import rows_insert
from core.crypto import PLATFORM, seal, unseal
from core.ids import uuid7
from journal.selectors import platform_lane
from journal.services import JobDraft, jobs_add
from notices.models import Delivery, Preference
from notices.quiet import loud_from
from notices.selectors import email_of, preference_of
from notices.senders import Message, NotSent
from notices.states import Channel, DeliveryState
from notices.wordings import SIGN_IN_CODE, WORDINGS
from registry.selectors.persons import PersonErased, person_by_id, person_facts

SEND: Final = "notices.send"
SCOPE: Final = "notices:outbox"  # The data key of messages without a notice.
TRIES: Final = 3
AGAIN_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one sending: `error` is None when the provider took it."""

    delivery_id: UUID
    provider_no: str = ""
    error: BaseException | None = None


def deliveries_queue(
    *, deliveries: Sequence[Delivery], preference: Preference | None, now: datetime, trace_id: str
) -> None:
    """Store deliveries and the jobs that send them, after the reader's quiet hours. Needs the caller's transaction."""
    for delivery in deliveries:
        delivery.not_before = now if preference is None else _loud(preference, now)
    rows_insert(deliveries)
    queued = [one for one in deliveries if one.state == DeliveryState.QUEUED]
    if not queued:
        return
    lane_id = platform_lane()
    jobs_add(
        drafts=[
            JobDraft(
                kind=SEND,
                lane_id=lane_id,
                organisation_id=PLATFORM,
                subject_id=delivery.pk,
                run_at=delivery.not_before,
                trace_id=trace_id,
            )
            for delivery in queued
        ],
        now=now,
    )


def sign_in_code_send(
    *, phone: str, code: str, language: str, expires_at: datetime, now: datetime, trace_id: str
) -> Delivery:
    """Send a sign-in code by SMS, at any hour; after `expires_at` it is not sent any more."""
    text = SIGN_IN_CODE[language != "en"].format(code=code)
    delivery = Delivery(
        id=uuid7(now), channel=Channel.SMS, not_before=now, expires_at=expires_at, created_at=now, notice=None
    )
    delivery.sealed_message = seal(
        json.dumps({"to": phone, "text": text}).encode(),
        scope=SCOPE,
        organisation_id=PLATFORM,
        context=f"delivery:{delivery.pk}",
        now=now,
    )
    deliveries_queue(deliveries=[delivery], preference=None, now=now, trace_id=trace_id)
    return delivery


def deliveries_arm(*, delivery_ids: Sequence[UUID], now: datetime) -> dict[UUID, Message]:
    """The messages to send now, their rows locked and SENDING. Who is missing needs no sending (any more)."""
    rows = Delivery.objects.select_for_update().filter(pk__in=delivery_ids).order_by("pk")
    armed: dict[UUID, Message] = {}
    for delivery in rows:
        if delivery.state not in (DeliveryState.QUEUED, DeliveryState.SENDING):
            continue
        late = delivery.expires_at is not None and delivery.expires_at <= now
        message = None if late else _message(delivery)
        if message is None:
            _end(delivery, DeliveryState.SUPPRESSED, "too late to be of use" if late else "nowhere to send it to")
            continue
        delivery.state = DeliveryState.SENDING
        delivery.attempts += 1
        delivery.save(update_fields=["state", "attempts"])
        armed[delivery.pk] = message
    return armed


def deliveries_conclude(*, results: Sequence[Sent], now: datetime) -> dict[UUID, datetime | None]:
    """Write what became of sendings; returns when each is to be tried again, None where it has ended."""
    by_id = {result.delivery_id: result for result in results}
    again: dict[UUID, datetime | None] = dict.fromkeys(by_id)
    for delivery in Delivery.objects.select_for_update().filter(pk__in=by_id).order_by("pk"):
        result = by_id[delivery.pk]
        if delivery.state != DeliveryState.SENDING:
            continue
        if result.error is None:
            delivery.provider_no, delivery.sent_at = result.provider_no[:80], now
            _end(delivery, DeliveryState.SENT, "")
        elif isinstance(result.error, NotSent):
            _end(delivery, DeliveryState.FAILED, f"refused: {result.error}"[:80])
        elif delivery.attempts >= TRIES:
            _end(delivery, DeliveryState.FAILED, f"no answer after {TRIES} tries")
        else:
            delivery.state = DeliveryState.QUEUED
            delivery.save(update_fields=["state"])
            again[delivery.pk] = now + timedelta(seconds=AGAIN_SECONDS * delivery.attempts)
    return again


def delivery_cannot_be_built(*, delivery_id: UUID) -> None:
    """The words or the address cannot be read: it ends as failed, its neighbours go on."""
    delivery = Delivery.objects.select_for_update().filter(pk=delivery_id).first()
    if delivery is not None and delivery.state in (DeliveryState.QUEUED, DeliveryState.SENDING):
        _end(delivery, DeliveryState.FAILED, "could not be built")


def _end(delivery: Delivery, state: DeliveryState, reason: str) -> None:
    delivery.state, delivery.reason, delivery.sealed_message = state, reason, None
    delivery.save(update_fields=["state", "reason", "sealed_message", "provider_no", "sent_at"])


def _loud(preference: Preference, now: datetime) -> datetime:
    return loud_from(
        now=now,
        quiet_from=preference.quiet_from,
        quiet_until=preference.quiet_until,
        time_zone=settings.TIME_ZONE,
    )


def _message(delivery: Delivery) -> Message | None:
    if delivery.sealed_message is not None:
        words = json.loads(unseal(delivery.sealed_message, context=f"delivery:{delivery.pk}"))
        return Message(Channel.SMS, words["to"], "", words["text"], str(delivery.pk))
    notice = delivery.notice
    if notice is None:
        return None
    preference = preference_of(person_id=notice.person_id)
    to = _address(notice.person_id, Channel(delivery.channel), preference)
    wording = WORDINGS[notice.kind]
    english, url = preference.language == "en", settings.PUBLIC_URL
    text = wording.outside if english else wording.outside_zh
    link = (f": {url}" if url else ".") if english else (f"：{url}" if url else "。")
    return (
        Message(
            channel=Channel(delivery.channel),
            to=to,
            subject="MediSettle",
            text=text.format(link=link),
            reference=str(delivery.pk),
        )
        if to
        else None
    )


def _address(person_id: UUID, channel: Channel, preference: Preference) -> str:
    if channel == Channel.EMAIL:
        return email_of(preference=preference)
    person = person_by_id(person_id=person_id)
    if person is None or person.died_on is not None:
        return ""
    try:
        return person_facts(person=person).phone
    except PersonErased:
        return ""
