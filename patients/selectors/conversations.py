"""What is said between patients and the seat."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import QuerySet

from accounts.selectors import organisations_seen_by
from accounts.states import Role
from core.crypto import unseal
from core.row_security import EVERYTHING
from patients.models import Conversation, Message

if TYPE_CHECKING:
    from accounts.models import User

SEAT_ROLES = (Role.OPERATOR,)


def conversations_of(*, person_ids: Collection[UUID]) -> QuerySet[Conversation]:
    return Conversation.objects.select_related("claim").filter(person_id__in=person_ids).order_by("-id")


def conversation_by_id(*, conversation_id: UUID) -> Conversation | None:
    """The conversation, if this database transaction sees it."""
    return Conversation.objects.select_related("claim").filter(pk=conversation_id).first()


def conversations_waiting(*, user: User) -> QuerySet[Conversation]:
    """For the seat: whoever has waited longest comes first. Nothing for anybody else."""
    waiting = Conversation.objects.select_related("claim").filter(waiting_since__isnull=False)
    return waiting.order_by("waiting_since", "id") if is_seat(user=user) else waiting.none()


def is_seat(*, user: User) -> bool:
    """Whether the user answers patients: staff of the platform with the role."""
    return organisations_seen_by(user=user) == EVERYTHING and any(role in user.roles for role in SEAT_ROLES)


def messages_of(*, conversation: Conversation) -> QuerySet[Message]:
    return conversation.messages.order_by("id")


def message_text(*, message: Message) -> str:
    """What was said. Raises core.crypto.SealBroken where the person's key is not ours to use."""
    return unseal(message.sealed_text, context=message_context(message.pk)).decode()


def message_context(message_id: UUID) -> str:
    return f"message:{message_id}"
