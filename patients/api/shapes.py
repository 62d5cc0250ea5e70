"""What the patients' interface takes and tells: for parsing, and for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from claims.services.drafts import LINES
from core.money import LARGEST_MINOR
from notices.states import Category
from patients.states import ConsentCode, HelperScope, Topic
from registry.states import ClaimKind, DocumentKind

MUTABLE = [code for code in Category.values if code != Category.ACCESS]
Shape = serializers.Serializer[Any]


def minor(**options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=0, max_value=LARGEST_MINOR, help_text="Minor units.", **options)


class PageRequest(Shape):
    after = serializers.UUIDField(required=False, default=None, allow_null=True, help_text="`next` of the page before.")
    limit = serializers.IntegerField(required=False, default=20, min_value=1, max_value=50)


class PersonRequest(PageRequest):
    person_id = serializers.UUIDField(required=False, default=None, allow_null=True, help_text="Default: oneself.")


class CodeRequest(Shape):
    phone = serializers.CharField(max_length=30)
    language = serializers.ChoiceField(choices=("en", "zh-hans"), default="zh-hans")


class SignInRequest(CodeRequest):
    code = serializers.RegexField(r"^[0-9]{6}$")


class IdentityRequest(Shape):
    name = serializers.CharField(max_length=120)
    id_type = serializers.CharField(max_length=4, default="01")
    id_no = serializers.CharField(max_length=60)


class ConsentRequest(Shape):
    person_id = serializers.UUIDField()
    code = serializers.ChoiceField(choices=ConsentCode.choices)
    version = serializers.IntegerField(min_value=1, max_value=1000)
    given = serializers.BooleanField(help_text="False takes it back.")


class HelperRequest(Shape):
    person_id = serializers.UUIDField()
    phone = serializers.CharField(max_length=30)
    name = serializers.CharField(max_length=60)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=HelperScope.choices), max_length=4)
    until = serializers.DateField()


class PreferenceRequest(Shape):
    language = serializers.ChoiceField(choices=("en", "zh-hans"))
    sms = serializers.BooleanField()
    email = serializers.CharField(max_length=120, allow_blank=True)
    muted = serializers.ListField(child=serializers.ChoiceField(choices=MUTABLE), max_length=4)
    quiet_from = serializers.TimeField()
    quiet_until = serializers.TimeField()


class ConversationRequest(Shape):
    person_id = serializers.UUIDField()
    topic = serializers.ChoiceField(choices=Topic.choices)
    text = serializers.CharField(max_length=2000)
    claim_id = serializers.UUIDField(required=False, default=None, allow_null=True)


class MessageRequest(Shape):
    text = serializers.CharField(max_length=2000)


class LineRequest(Shape):
    quantity = serializers.IntegerField(min_value=1, max_value=9_999)
    unit_price_minor = minor()
    basic_minor = minor(default=0)
    other_minor = minor(default=0)
    charity_minor = minor(default=0)


class DraftRequest(Shape):
    person_id = serializers.UUIDField()
    policy_id = serializers.UUIDField()
    drug_code = serializers.CharField(max_length=40)
    kind = serializers.ChoiceField(choices=ClaimKind.choices, default=ClaimKind.FIRST)
    lines = serializers.ListField(child=LineRequest(), max_length=LINES, default=list)
    icd10 = serializers.CharField(max_length=10, allow_blank=True, default="")
    diagnosed_on = serializers.DateField(default=None, allow_null=True)
    service_on = serializers.DateField(default=None, allow_null=True)
    days_of_supply = serializers.IntegerField(min_value=0, max_value=9_999, default=0)
    authorisation_id = serializers.UUIDField(default=None, allow_null=True)
    prescription_id = serializers.UUIDField(default=None, allow_null=True)
    cycle_no = serializers.IntegerField(min_value=1, max_value=9_999, default=1)
    invoice_no = serializers.CharField(max_length=60, allow_blank=True, default="")
    discount_minor = minor(default=0)
    urgent = serializers.BooleanField(default=False)


class ChangeRequest(DraftRequest):
    version = serializers.IntegerField(min_value=0, max_value=2**31 - 1, help_text="That was read.")


class UploadRequest(Shape):
    kind = serializers.ChoiceField(choices=DocumentKind.choices)
    file = serializers.FileField(max_length=255)
    issued_on = serializers.DateField(default=None, allow_null=True, help_text="The date on the paper.")


class AnswerRequest(Shape):
    missing_because = serializers.CharField(max_length=2000, allow_blank=True, default="")


class CourierRequest(Shape):
    courier_no = serializers.CharField(max_length=40)


class AppealRequest(Shape):
    reason = serializers.CharField(max_length=2000)


class PrescriptionRequest(Shape):
    person_id = serializers.UUIDField()
    source = serializers.CharField(max_length=80)  # type: ignore[assignment]
    number = serializers.CharField(max_length=60)
    doctor = serializers.CharField(max_length=80)
    drug_code = serializers.CharField(max_length=40)
    icd10 = serializers.CharField(max_length=10)
    quantity = serializers.IntegerField(min_value=1, max_value=9_999)
    days_of_supply = serializers.IntegerField(min_value=1, max_value=9_999)
    issued_on = serializers.DateField()
    valid_until = serializers.DateField()
    repeats = serializers.IntegerField(min_value=0, max_value=100, default=0)
    minimum_interval_days = serializers.IntegerField(min_value=0, max_value=366, default=0)


class RenewRequest(Shape):
    """The new prescription, with its paper; who it is for and what it prescribes stands in the authorisation."""

    source = serializers.CharField(max_length=80)  # type: ignore[assignment]
    number = serializers.CharField(max_length=60)
    doctor = serializers.CharField(max_length=80)
    issued_on = serializers.DateField()
    valid_until = serializers.DateField()
    file = serializers.FileField(max_length=255)
