"""Patients ask, the seat answers; nobody else reads along."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from accounts.models import User
from accounts.services import user_create
from accounts.states import OrganisationKind, Role
from core.errors import Forbidden, NotFound
from core.row_security import EVERYTHING, seen_by
from notices.selectors import inbox_of
from patients.models import Conversation, Message
from patients.selectors.conversations import (
    conversations_of,
    conversations_waiting,
    message_text,
    messages_of,
)
from patients.selectors.standing import Standing
from patients.services.conversations import (
    OPEN,
    ConversationFull,
    MessageInvalid,
    conversation_close,
    conversation_open,
    message_say,
    seat_answer,
)
from patients.states import Side, Topic
from tests.patients.house import TRACE, Family, helper_of, known, request_of
from tests.registry.house import NOW, insurer_of
from tests.roles import as_role, refused, rows

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def seat(db: None) -> User:
    return staff("ou", OrganisationKind.PLATFORM, Role.OPERATOR)


def staff(username: str, kind: OrganisationKind, role: Role) -> User:
    home = insurer_of(f"HOME-{username}", kind)
    return user_create(
        username=username,
        display_name=username,
        organisation_id=home.pk,
        roles=[role],
        password="correct-horse-47-staple",
        actor="platform",
        now=NOW,
    )


def opened(standing: Standing, family: Family, text: str = "我的申请到哪一步了？") -> Conversation:
    with request_of(standing):
        return conversation_open(standing=standing, person_id=family.patient.pk, topic=Topic.OTHER, text=text, now=NOW)


def said(conversation: Conversation) -> list[tuple[str, str]]:
    return [(one.side, message_text(message=one)) for one in messages_of(conversation=conversation)]


def test_a_question_waits_for_the_seat_and_its_answer_is_told(family: Family, seat: User) -> None:
    patient = known(family.patient)
    conversation = opened(patient, family)
    with as_role("app"), seen_by(EVERYTHING):
        assert list(conversations_waiting(user=seat)) == [conversation]
        seat_answer(user=seat, conversation_id=conversation.pk, text="正在预审。", now=LATER, trace_id=TRACE)
        assert not conversations_waiting(user=seat).exists()
    with request_of(patient):
        assert said(conversation) == [(Side.PATIENT, "我的申请到哪一步了？"), (Side.SEAT, "正在预审。")]
        assert [one.kind for one in inbox_of(person_id=family.patient.pk)] == ["conversation.answered"]


def test_texts_are_sealed_and_never_changed(family: Family) -> None:
    conversation = opened(known(family.patient), family, "诊断是乳腺癌")
    (message,) = Message.objects.filter(conversation=conversation)
    assert "乳腺癌".encode() not in bytes(message.sealed_text)
    with refused("append-only"):
        rows("UPDATE patients_message SET by = 'x'")
    with refused("does not change"):
        Conversation.objects.update(topic=Topic.APPEAL)


def test_a_closed_conversation_is_opened_again_by_the_patients_next_word(family: Family, seat: User) -> None:
    patient = known(family.patient)
    conversation = opened(patient, family)
    with as_role("app"), seen_by(EVERYTHING):
        closed = conversation_close(user=seat, conversation_id=conversation.pk, now=LATER)
        assert (closed.closed_by, closed.waiting_since) == ("ou", None)
    with request_of(patient):
        message_say(standing=patient, conversation_id=conversation.pk, text="还有一个问题", now=LATER)
    conversation.refresh_from_db()
    assert (conversation.closed_at, conversation.waiting_since) == (None, LATER)


def test_a_helper_speaks_on_behalf_under_her_own_name(family: Family) -> None:
    patient = known(family.patient)
    daughter = helper_of(patient)
    conversation = opened(daughter, family)
    message = conversation.messages.get()
    assert (message.by, message.on_behalf) == (daughter.by, True)


def test_a_stranger_neither_reads_nor_speaks(family: Family) -> None:
    conversation = opened(known(family.patient), family)
    stranger = known(family.stranger)
    with request_of(stranger):
        assert not Conversation.objects.exists()
        assert not Message.objects.exists()
        assert not conversations_of(person_ids=[family.patient.pk]).exists()
        with pytest.raises(NotFound):
            message_say(standing=stranger, conversation_id=conversation.pk, text="hello", now=NOW)
        with pytest.raises(NotFound):
            conversation_open(standing=stranger, person_id=family.patient.pk, topic=Topic.OTHER, text="hello", now=NOW)
    # Not even where the database would show it.
    with transaction.atomic(), pytest.raises(NotFound):
        message_say(standing=stranger, conversation_id=conversation.pk, text="hello", now=NOW)


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        (OrganisationKind.INSURER, Role.INSURER_CLERK),
        (OrganisationKind.PLATFORM, Role.REVIEWER),
    ],
)
def test_only_the_seat_answers(family: Family, kind: OrganisationKind, role: Role) -> None:
    conversation = opened(known(family.patient), family)
    other = staff("wu", kind, role)
    assert not conversations_waiting(user=other).exists()
    with pytest.raises(Forbidden):
        seat_answer(user=other, conversation_id=conversation.pk, text="hello", now=NOW, trace_id=TRACE)
    with pytest.raises(Forbidden):
        conversation_close(user=other, conversation_id=conversation.pk, now=NOW)


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 2001])
def test_nothing_and_too_much_is_no_message(family: Family, text: str) -> None:
    patient = known(family.patient)
    with pytest.raises(MessageInvalid):
        opened(patient, family, text)
    assert not Conversation.objects.exists()


def test_open_conversations_are_limited(family: Family) -> None:
    patient = known(family.patient)
    for _ in range(OPEN):
        opened(patient, family)
    with pytest.raises(ConversationFull):
        opened(patient, family)
