"""What the claims' interface tells: for rendering, and for the OpenAPI document. No person's data but the policy's."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from claims.models import Claim
from claims.selectors.timeline import Entry, NextStep
from claims.states import ClaimState, PartyRole, Stage

PAGE_LIMIT = 100


class ClaimsRequest(serializers.Serializer[Any]):
    after = serializers.UUIDField(required=False, default=None, allow_null=True)
    limit = serializers.IntegerField(required=False, default=50, min_value=1, max_value=PAGE_LIMIT)
    state = serializers.ChoiceField(choices=ClaimState.choices, required=False, default="", allow_blank=True)


class ClaimShape(serializers.Serializer[Any]):
    claim_no = serializers.CharField()
    state = serializers.ChoiceField(choices=ClaimState.choices)
    stage = serializers.ChoiceField(choices=Stage.choices)
    kind = serializers.CharField()
    product = serializers.CharField(source="product_id")
    terms_number = serializers.IntegerField(
        source="terms.number", help_text="The version that the claim was filed under."
    )
    policy_no = serializers.CharField(source="policy.policy_no")
    drug = serializers.CharField(source="drug_id")
    service_on = serializers.DateField()
    submitted_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    currency = serializers.CharField()
    total_minor = serializers.IntegerField()
    payable_minor = serializers.IntegerField(help_text="By the terms, minor units.")
    recommended_minor = serializers.IntegerField(allow_null=True)
    confirmed_minor = serializers.IntegerField(allow_null=True)
    version = serializers.IntegerField()


class ClaimsPage(serializers.Serializer[Any]):
    items = ClaimShape(many=True)
    next = serializers.UUIDField(allow_null=True, help_text="`after` of the next page.")


class LineShape(serializers.Serializer[Any]):
    line_no = serializers.IntegerField()
    quantity = serializers.IntegerField()
    unit_price_minor = serializers.IntegerField()
    amount_minor = serializers.IntegerField()
    basic_minor = serializers.IntegerField()
    other_minor = serializers.IntegerField()
    charity_minor = serializers.IntegerField()
    deductible_minor = serializers.IntegerField()
    ratio_basis_points = serializers.IntegerField()
    payable_minor = serializers.IntegerField(help_text="Before the claim's caps.")


class PartyShape(serializers.Serializer[Any]):
    organisation = serializers.CharField(source="organisation.code")
    role = serializers.ChoiceField(choices=PartyRole.choices)
    basis_points = serializers.IntegerField()


class DocumentShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    kind = serializers.CharField()
    issued_on = serializers.DateField(allow_null=True)
    uploaded_at = serializers.DateTimeField()
    pages = serializers.IntegerField(source="pages.count")


class BesideShape(serializers.Serializer[Any]):
    whose = serializers.CharField(help_text="PATIENT, PREREVIEW, INSURER, PLATFORM or NOBODY.")
    what = serializers.CharField()
    what_zh = serializers.CharField()
    by = serializers.DateTimeField(allow_null=True)
    late = serializers.BooleanField()


class NextStepShape(BesideShape):
    also = BesideShape(many=True, help_text="What runs beside it and holds nothing up.")


class ClaimAnswer(ClaimShape):
    lines = LineShape(many=True)
    parties = PartyShape(many=True)
    documents = DocumentShape(many=True)
    next_step = NextStepShape()


class EntryShape(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    kind = serializers.CharField()
    text = serializers.CharField()
    text_zh = serializers.CharField()
    who = serializers.CharField()


class TimelineAnswer(serializers.Serializer[Any]):
    items = EntryShape(many=True)


def claim_shown(claim: Claim) -> dict[str, Any]:
    return dict(ClaimShape(claim).data)


def entry_shown(entry: Entry) -> dict[str, Any]:
    return dict(EntryShape(entry).data)


def next_step_shown(step: NextStep) -> dict[str, Any]:
    return dict(NextStepShape(step).data)
