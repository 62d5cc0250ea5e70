"""What the interface of the money tells: for rendering, and for the OpenAPI document. Amounts in minor units."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from settlement.selectors.money_path import FINDERS, KEY_AT_MOST

JOB_A = frozenset({"transaction", "bill"})


class MoneyRequest(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=sorted(FINDERS), help_text="What is asked about.")
    key = serializers.CharField(
        max_length=KEY_AT_MOST, help_text="Its number, or its id; a bill's is `visit number/bill number`."
    )

    def validate_kind(self, kind: str) -> str:
        if kind in self.context.get("without", ()):
            raise serializers.ValidationError(f"A {kind} is asked about inside the hospital's network.")
        return kind


class PathLineShape(serializers.Serializer[Any]):
    account = serializers.CharField(help_text="A code of the chart; `platform`: accounts that are not the caller's.")
    side = serializers.ChoiceField(choices=("D", "C"))
    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()


class MessageShape(serializers.Serializer[Any]):
    msgid = serializers.CharField()
    kind = serializers.CharField()
    counterparty = serializers.CharField()
    sent_at = serializers.DateTimeField()
    outcome = serializers.CharField()
    outcome_at = serializers.DateTimeField(allow_null=True)


class EvidenceShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    kind = serializers.CharField()
    says = serializers.CharField()
    details = serializers.CharField()
    at = serializers.DateTimeField()
    message = MessageShape(allow_null=True)


class PathStepShape(serializers.Serializer[Any]):
    posting_id = serializers.UUIDField()
    book = serializers.CharField()
    about = serializers.CharField()
    kind = serializers.CharField()
    booked_at = serializers.DateTimeField()
    value_date = serializers.DateField()
    undoes = serializers.UUIDField(allow_null=True, help_text="The posting whose mirror this is.")
    by = serializers.CharField()
    reason = serializers.CharField()
    lines = PathLineShape(many=True)
    evidence = EvidenceShape(allow_null=True)


class PathHoldShape(serializers.Serializer[Any]):
    about = serializers.CharField()
    kind = serializers.CharField()
    account = serializers.CharField()
    state = serializers.CharField()
    amount_minor = serializers.IntegerField()
    placed_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


class PathSumShape(serializers.Serializer[Any]):
    book = serializers.CharField()
    account = serializers.CharField()
    currency = serializers.CharField()
    amount_minor = serializers.IntegerField(help_text="Debits minus credits of all steps.")


class MoneyAnswer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    id = serializers.UUIDField()
    name = serializers.CharField()
    amount_minor = serializers.IntegerField(allow_null=True)
    currency = serializers.CharField()
    foots = serializers.BooleanField()
    steps = PathStepShape(many=True)
    holds = PathHoldShape(many=True)
    sums = PathSumShape(many=True)
