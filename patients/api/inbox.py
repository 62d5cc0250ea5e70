"""Notices, wishes how to be told, and the conversation with the seat."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.clock import database_now
from core.errors import NotFound
from notices.selectors import email_of, inbox_of, preference_of, unread_count, words_of
from notices.services import PreferenceDraft, notice_read, preference_set
from patients.api.answers import (
    ConversationAnswer,
    ConversationsPage,
    MessageAnswer,
    MessagesPage,
    NoticeAnswer,
    NoticesPage,
    PreferenceAnswer,
)
from patients.api.base import PatientView, asked, page, problems, standing_in
from patients.api.session import whose
from patients.api.shapes import ConversationRequest, MessageRequest, PageRequest, PersonRequest, PreferenceRequest
from patients.selectors.conversations import conversation_by_id, conversations_of, message_text, messages_of
from patients.services.conversations import conversation_open, message_say
from patients.states import Topic


class Notices(PatientView):
    @extend_schema(
        operation_id="notices_list", parameters=[PersonRequest], responses={200: NoticesPage} | problems(404, 422)
    )
    def get(self, request: Request) -> Response:
        """The inbox, the latest first."""
        wished = asked(PersonRequest, request.query_params)
        person_id = whose(request, wished["person_id"])
        rows, following = page(inbox_of(person_id=person_id), request)
        items = [_notice(row) for row in rows]
        return Response({"items": items, "unread": unread_count(person_id=person_id), "next": following})


class ReadNotice(PatientView):
    @extend_schema(operation_id="notices_read", request=None, responses={200: NoticeAnswer} | problems(404))
    def post(self, request: Request, notice_id: UUID) -> Response:
        """The reader has seen it: his own, not that of somebody he helps."""
        person_id = standing_in(request).person_id
        if person_id is None:
            raise NotFound(noun="notice", noun_zh="消息", key=notice_id)
        return Response(_notice(notice_read(notice_id=notice_id, person_id=person_id, now=database_now())))


class Preferences(PatientView):
    @extend_schema(operation_id="preferences_read", responses={200: PreferenceAnswer} | problems(404))
    def get(self, request: Request) -> Response:
        """How one is told outside of the inbox."""
        return Response(_preference(whose(request, None)))

    @extend_schema(
        operation_id="preferences_set",
        request=PreferenceRequest,
        responses={200: PreferenceAnswer} | problems(404, 422),
    )
    def put(self, request: Request) -> Response:
        """Other wishes in place of the former."""
        wished, person_id = asked(PreferenceRequest, request.data), whose(request, None)
        preference_set(person_id=person_id, draft=PreferenceDraft(**wished), now=database_now())
        return Response(_preference(person_id))


class Conversations(PatientView):
    @extend_schema(
        operation_id="conversations_list",
        parameters=[PersonRequest],
        responses={200: ConversationsPage} | problems(404, 422),
    )
    def get(self, request: Request) -> Response:
        """The person's conversations with customer service, the latest first."""
        wished, standing = asked(PersonRequest, request.query_params), standing_in(request)
        act = standing.act_for(person_id=whose(request, wished["person_id"]))
        rows, following = page(conversations_of(person_ids=act.records), request)
        return Response({"items": [dict(ConversationAnswer(row).data) for row in rows], "next": following})

    @extend_schema(
        operation_id="conversations_open",
        request=ConversationRequest,
        responses={201: ConversationAnswer} | problems(404, 409, 422),
    )
    def post(self, request: Request) -> Response:
        """Ask customer service something."""
        wished = asked(ConversationRequest, request.data)
        topic = Topic(wished.pop("topic"))
        opened = conversation_open(standing=standing_in(request), topic=topic, now=database_now(), **wished)
        return Response(ConversationAnswer(opened).data, status=201)


class Messages(PatientView):
    @extend_schema(
        operation_id="messages_list", parameters=[PageRequest], responses={200: MessagesPage} | problems(404, 422)
    )
    def get(self, request: Request, conversation_id: UUID) -> Response:
        """What was said, the latest first."""
        conversation = conversation_by_id(conversation_id=conversation_id)
        if conversation is None or conversation.person_id not in standing_in(request).sees:
            raise NotFound(noun="conversation", noun_zh="会话", key=conversation_id)
        rows, following = page(messages_of(conversation=conversation), request)
        return Response({"items": [_message(row) for row in rows], "next": following})

    @extend_schema(
        operation_id="messages_say",
        request=MessageRequest,
        responses={201: MessageAnswer} | problems(404, 409, 422),
    )
    def post(self, request: Request, conversation_id: UUID) -> Response:
        """Say something more."""
        text = asked(MessageRequest, request.data)["text"]
        message = message_say(
            standing=standing_in(request), conversation_id=conversation_id, text=text, now=database_now()
        )
        return Response(_message(message), status=201)


def _notice(notice: Any) -> dict[str, Any]:
    words = words_of(notice=notice)
    names = ("id", "kind", "subject", "created_at", "read_at")
    texts = {name: getattr(words, name) for name in ("title", "title_zh", "text", "text_zh")}
    return dict(NoticeAnswer({name: getattr(notice, name) for name in names} | texts).data)


def _preference(person_id: UUID) -> dict[str, Any]:
    found = preference_of(person_id=person_id)
    names = ("language", "sms", "muted", "quiet_from", "quiet_until")
    values = {name: getattr(found, name) for name in names}
    return dict(PreferenceAnswer(values | {"email": email_of(preference=found)}).data)


def _message(message: Any) -> dict[str, Any]:
    names = ("id", "side", "on_behalf", "at")
    values = {name: getattr(message, name) for name in names}
    return dict(MessageAnswer(values | {"text": message_text(message=message)}).data)
