"""What the patients' interface answers: shapes for the OpenAPI document; views render through them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

Shape = serializers.Serializer[Any]
NEXT = "`after` of the next page."


class ActAnswer(Shape):
    person_id = serializers.UUIDField()
    name = serializers.CharField()
    capacity = serializers.CharField(help_text="SELF, GUARDIAN or HELPER.")
    scopes = serializers.ListField(child=serializers.CharField())


class SessionAnswer(Shape):
    signed_in = serializers.BooleanField()
    csrf_token = serializers.CharField(help_text="For the header X-CSRFToken.")
    person_id = serializers.UUIDField(allow_null=True, help_text="Null until the number's owner is proven.")
    language = serializers.CharField()
    acts_for = ActAnswer(many=True)


class CodeAnswer(Shape):
    valid_seconds = serializers.IntegerField()


class ConsentAnswer(Shape):
    code = serializers.CharField()
    version = serializers.IntegerField()
    text = serializers.CharField()
    text_zh = serializers.CharField()
    given = serializers.BooleanField(help_text="To this version.")
    at = serializers.DateTimeField(allow_null=True)


class ConsentsAnswer(Shape):
    items = ConsentAnswer(many=True)


class HelperAnswer(Shape):
    id = serializers.UUIDField()
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    until = serializers.DateField()
    invited_at = serializers.DateTimeField()
    accepted_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


class HelpersPage(Shape):
    items = HelperAnswer(many=True)
    next = serializers.CharField(allow_null=True, help_text=NEXT)


class InvitationAnswer(Shape):
    grant_id = serializers.UUIDField()
    scopes = serializers.ListField(child=serializers.CharField())
    until = serializers.DateField()
    invited_at = serializers.DateTimeField()


class InvitationsAnswer(Shape):
    items = InvitationAnswer(many=True)


class PolicyAnswer(Shape):
    id = serializers.UUIDField()
    policy_no = serializers.CharField()
    product = serializers.CharField()
    product_name = serializers.CharField()
    product_name_zh = serializers.CharField()
    starts_on = serializers.DateField()
    ends_on = serializers.DateField()
    covered_today = serializers.BooleanField()
    waiting_until = serializers.DateField(allow_null=True)


class PoliciesAnswer(Shape):
    items = PolicyAnswer(many=True)


class AuthorisationAnswer(Shape):
    id = serializers.UUIDField()
    policy_id = serializers.UUIDField()
    drug = serializers.CharField(source="drug_id")
    state = serializers.CharField()
    cycles = serializers.IntegerField()
    cycles_used = serializers.IntegerField()
    valid_from = serializers.DateField()
    valid_until = serializers.DateField()


class AuthorisationsAnswer(Shape):
    items = AuthorisationAnswer(many=True)


class PrescriptionAnswer(Shape):
    id = serializers.UUIDField()
    source = serializers.CharField()  # type: ignore[assignment]
    number = serializers.CharField()
    drug = serializers.CharField(source="drug_id")
    issued_on = serializers.DateField()
    valid_until = serializers.DateField()


class PrescriptionsAnswer(Shape):
    items = PrescriptionAnswer(many=True)


class NoticeAnswer(Shape):
    id = serializers.UUIDField()
    kind = serializers.CharField()
    subject = serializers.CharField()
    title = serializers.CharField()
    title_zh = serializers.CharField()
    text = serializers.CharField()
    text_zh = serializers.CharField()
    created_at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)


class NoticesPage(Shape):
    items = NoticeAnswer(many=True)
    unread = serializers.IntegerField()
    next = serializers.CharField(allow_null=True, help_text=NEXT)


class PreferenceAnswer(Shape):
    language = serializers.CharField()
    sms = serializers.BooleanField()
    email = serializers.CharField(help_text="Empty: no letters.")
    muted = serializers.ListField(child=serializers.CharField())
    quiet_from = serializers.TimeField()
    quiet_until = serializers.TimeField()


class ConversationAnswer(Shape):
    id = serializers.UUIDField()
    topic = serializers.CharField()
    claim_id = serializers.UUIDField(allow_null=True)
    opened_at = serializers.DateTimeField()
    waiting_since = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)


class ConversationsPage(Shape):
    items = ConversationAnswer(many=True)
    next = serializers.CharField(allow_null=True, help_text=NEXT)


class MessageAnswer(Shape):
    id = serializers.UUIDField()
    side = serializers.CharField(help_text="PATIENT or SEAT.")
    on_behalf = serializers.BooleanField()
    text = serializers.CharField()
    at = serializers.DateTimeField()


class MessagesPage(Shape):
    items = MessageAnswer(many=True)
    next = serializers.CharField(allow_null=True, help_text=NEXT)
