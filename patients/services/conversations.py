"""Patients ask, the seat answers. Texts are sealed under the person's key."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.db import transaction

from claims.selectors.claims import claim_by_id
from core.errors import Conflict, Forbidden, NotFound, Problem
from core.ids import uuid7
from notices.services import notice_offer
from patients.models import Conversation, Message
from patients.selectors.conversations import is_seat, message_context
from patients.selectors.standing import Act, Standing
from patients.states import Capacity, HelperScope, Side, Topic
from registry.services.persons import person_seal

if TYPE_CHECKING:
    from accounts.models import User

CHARACTERS: Final = 2_000
MESSAGES: Final = 500
OPEN: Final = 20


class MessageInvalid(Problem):
    code = "message_invalid"
    status = 422
    title = "This cannot be said here"
    detail = "A message has 1 to {most} characters."
    detail_zh = "消息须为 1 至 {most} 字。"
    fix = "Shorten it, or say it in two."
    fix_zh = "请缩短，或分两次发送。"


class ConversationFull(Conflict):
    code = "conversation_full"
    title = "Too much at once"
    detail = "There are {most} {what} already."
    detail_zh = "已达上限：{most}。"
    fix = "Go on in a conversation that is open, or close one."
    fix_zh = "请在已有会话中继续，或先结束一个会话。"


@transaction.atomic
def conversation_open(
    *,
    standing: Standing,
    person_id: UUID,
    topic: Topic,
    text: str,
    claim_id: UUID | None = None,
    now: datetime,
) -> Conversation:
    """Begin a conversation with the seat, on a claim of the person or on nothing in particular.

    Raises NotFound for a stranger or another's claim, NotYours, MessageInvalid, ConversationFull.
    """
    act = standing.act_for(person_id=person_id)
    if claim_id is not None:
        claim = claim_by_id(claim_id=claim_id)
        if claim is None or claim.person_id not in act.records:
            raise NotFound(noun="claim", noun_zh="理赔申请", key=claim_id)
    if Conversation.objects.filter(person_id=act.person_id, closed_at__isnull=True).count() >= OPEN:
        raise ConversationFull(most=OPEN, what="open conversations")
    conversation = Conversation(
        id=uuid7(now),
        person_id=act.person_id,
        claim_id=claim_id,
        topic=topic,
        opened_by=standing.by,
        opened_at=now,
        waiting_since=now,
    )
    conversation.save(force_insert=True)
    _say(conversation, Side.PATIENT, text, by=standing.by, on_behalf=act.capacity != Capacity.SELF, now=now)
    return conversation


@transaction.atomic
def message_say(*, standing: Standing, conversation_id: UUID, text: str, now: datetime) -> Message:
    """The patient, or who acts for him, says something more; a closed conversation is opened again by it.

    Raises NotFound, MessageInvalid, ConversationFull.
    """
    conversation = _lock(conversation_id)
    act = _act(standing, conversation)
    message = _say(conversation, Side.PATIENT, text, by=standing.by, on_behalf=act.capacity != Capacity.SELF, now=now)
    conversation.waiting_since = conversation.waiting_since or now
    conversation.closed_at, conversation.closed_by = None, ""
    conversation.save(update_fields=["waiting_since", "closed_at", "closed_by"])
    return message


@transaction.atomic
def seat_answer(*, user: User, conversation_id: UUID, text: str, now: datetime, trace_id: str) -> Message:
    """The seat answers; the person is told that there is an answer. Raises Forbidden, NotFound, MessageInvalid."""
    _seat(user)
    conversation = _lock(conversation_id)
    message = _say(conversation, Side.SEAT, text, by=user.username, on_behalf=False, now=now)
    conversation.waiting_since = None
    conversation.save(update_fields=["waiting_since"])
    notice_offer(
        person_id=conversation.person_id,
        kind="conversation.answered",
        cause=f"message:{message.pk}",
        subject=f"conversation:{conversation.pk}",
        values={},
        now=now,
        trace_id=trace_id,
    )
    return message


@transaction.atomic
def conversation_close(*, user: User, conversation_id: UUID, now: datetime) -> Conversation:
    """The seat has nothing open in it any more. Raises Forbidden, NotFound."""
    _seat(user)
    conversation = _lock(conversation_id)
    if conversation.closed_at is None:
        conversation.closed_at, conversation.closed_by, conversation.waiting_since = now, user.username, None
        conversation.save(update_fields=["closed_at", "closed_by", "waiting_since"])
    return conversation


def _seat(user: User) -> None:
    if not is_seat(user=user):
        raise Forbidden(subject="user", act="answer patients")


def _lock(conversation_id: UUID) -> Conversation:
    conversation = Conversation.objects.select_for_update().filter(pk=conversation_id).first()
    if conversation is None:
        raise NotFound(noun="conversation", noun_zh="会话", key=conversation_id)
    return conversation


def _act(standing: Standing, conversation: Conversation) -> Act:
    try:
        return standing.act_for(person_id=conversation.person_id, scope=HelperScope.SEE)
    except NotFound:
        raise NotFound(noun="conversation", noun_zh="会话", key=conversation.pk) from None


def _say(conversation: Conversation, side: Side, text: str, *, by: str, on_behalf: bool, now: datetime) -> Message:
    words = text.strip()
    if not 1 <= len(words) <= CHARACTERS:
        raise MessageInvalid(most=CHARACTERS)
    if conversation.messages.count() >= MESSAGES:
        raise ConversationFull(most=MESSAGES, what="messages")
    message = Message(id=uuid7(now), conversation=conversation, side=side, by=by, on_behalf=on_behalf, at=now)
    message.sealed_text = person_seal(
        words.encode(), person_id=conversation.person_id, context=message_context(message.pk), now=now
    )
    message.save(force_insert=True)
    return message
