"""What the interface of the money tells: for rendering, and for the OpenAPI document. Amounts in minor units."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from settlement.selectors.money_path import FINDERS, KEY_AT_MOST
from settlement.states import CounterpartyRole, LineAnswer, StatementLineKind, StatementState

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


class PathMessageShape(serializers.Serializer[Any]):
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
    message = PathMessageShape(allow_null=True)


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


class StatementsRequest(serializers.Serializer[Any]):
    limit = serializers.IntegerField(required=False, default=24, min_value=1, max_value=100)
    before = serializers.CharField(required=False, default="", allow_blank=True, help_text="`next` of the page before.")


class StatementShape(serializers.Serializer[Any]):
    statement_no = serializers.CharField()
    role = serializers.ChoiceField(choices=CounterpartyRole.choices)
    insurer = serializers.CharField(source="insurer.code")
    currency = serializers.CharField()
    first_day = serializers.DateField()
    last_day = serializers.DateField()
    opening_minor = serializers.IntegerField()
    gross_minor = serializers.IntegerField()
    fee_minor = serializers.IntegerField()
    vat_minor = serializers.IntegerField()
    net_minor = serializers.IntegerField()
    set_off_minor = serializers.IntegerField()
    paid_minor = serializers.IntegerField()
    other_minor = serializers.IntegerField()
    closing_minor = serializers.IntegerField()
    state = serializers.ChoiceField(choices=StatementState.choices)


class StatementsPage(serializers.Serializer[Any]):
    items = StatementShape(many=True)
    next = serializers.CharField(allow_null=True)


class StatementLineShape(serializers.Serializer[Any]):
    line_no = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=StatementLineKind.choices)
    day = serializers.DateField()
    reference = serializers.CharField()
    claim_no = serializers.CharField()
    amount_minor = serializers.IntegerField(help_text="Signed: what an insurer owes, what a pharmacy gets.")
    answer = serializers.ChoiceField(choices=LineAnswer.choices)
    answer_reason = serializers.CharField()


class StatementAnswerShape(StatementShape):
    lines = StatementLineShape(many=True)


class ConfirmRequest(serializers.Serializer[Any]):
    line_nos = serializers.ListField(
        child=serializers.IntegerField(min_value=1),
        required=False,
        default=None,
        allow_null=True,
        max_length=20_000,
        help_text="Without it: all lines that are open.",
    )


class DisputeRequest(serializers.Serializer[Any]):
    line_no = serializers.IntegerField(min_value=1)
    reason = serializers.CharField(max_length=300)


class AdvisedLineShape(serializers.Serializer[Any]):
    leg_no = serializers.CharField(max_length=40)
    amount_minor = serializers.IntegerField(help_text="Below zero: what was paid for this leg before is kept back.")


class AdviceRequest(serializers.Serializer[Any]):
    advice_no = serializers.CharField(max_length=40)
    reference = serializers.CharField(max_length=70, required=False, default="", allow_blank=True)
    currency = serializers.CharField(max_length=3)
    total_minor = serializers.IntegerField(help_text="The sum of all lines: what is transferred.")
    lines = AdvisedLineShape(many=True)


class AdviceFileRequest(serializers.Serializer[Any]):
    file = serializers.FileField(help_text="XLSX or CSV: advice_no, reference, currency, total, leg_no, amount.")


class AdviceAnswer(serializers.Serializer[Any]):
    advice_no = serializers.CharField()
    currency = serializers.CharField()
    total_minor = serializers.IntegerField()
    lines = serializers.IntegerField()
    received_at = serializers.DateTimeField()
