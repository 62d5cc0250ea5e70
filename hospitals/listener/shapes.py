"""Shapes of the hospital interface: what is accepted, said once for validation and for the OpenAPI document."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.ids import HIS_NO
from core.money import EXPONENTS, LARGEST_MINOR
from exchange.states import OPERATION_CLASSES, TransactionState, VerdictWord

OPERATIONS = ("eligibility", "presettle", "settle")
MONEY_OPERATIONS = ("presettle", "settle")
ITEMS_LIMIT = 5000
WAIT_LIMIT_SECONDS = 25
# A hospital rounds each line to its minor unit; half up is the profile of the demo hospitals.
LINE_TOLERANCE_MINOR = 1


class MinorField(serializers.IntegerField):
    """Whole minor units. Strings, booleans and fractions are refused: 100.0 is not an amount."""

    default_error_messages = {"invalid": "must be a whole number of minor units (fen), not a fraction or text"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 0, "max_value": LARGEST_MINOR, **kwargs})

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return data


@extend_schema_field({"type": ["string", "integer", "number"], "examples": ["1", "0.5"]})
class DecimalText(serializers.Field[str, Any, str, Any]):
    """A decimal number as text ("100.000000"); a JSON number is taken too. Kept as text."""

    default_error_messages = {"invalid": "must be a decimal number with at most {places} places, as text"}

    def __init__(self, *, places: int, **kwargs: Any) -> None:
        self.places = places
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, bool) or not isinstance(data, (str, int, Decimal)):
            self.fail("invalid", places=self.places)
        try:
            value = Decimal(data)
        except InvalidOperation:
            self.fail("invalid", places=self.places)
        exponent = value.as_tuple().exponent
        if not isinstance(exponent, int) or -exponent > self.places or abs(value) >= Decimal(10) ** 14 or exponent > 14:
            self.fail("invalid", places=self.places)
        return str(data)

    def to_representation(self, value: Any) -> str:
        return str(value)


def text(limit: int = 200, **kwargs: Any) -> serializers.CharField:
    return serializers.CharField(max_length=limit, **kwargs)


def optional_text(limit: int = 200) -> serializers.CharField:
    return text(limit, required=False, allow_null=True, allow_blank=True)


class OperatorShape(serializers.Serializer[Any]):
    no = optional_text(40)
    name = optional_text(80)
    terminal_no = optional_text(40)
    shift_no = optional_text(40)


class PersonShape(serializers.Serializer[Any]):
    id_type = optional_text(8)
    id_no = optional_text(40)
    name = optional_text(80)
    credential = optional_text(4000)
    contact = optional_text(200)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.get("id_no") and not attrs.get("credential"):
            raise serializers.ValidationError({"id_no": "id_no or credential is needed"})
        return attrs


class DiagnosisShape(serializers.Serializer[Any]):
    code = text(20)
    name = optional_text(200)


class VisitShape(serializers.Serializer[Any]):
    visit_no = text(64)
    kind = serializers.ChoiceField(
        choices=["outpatient", "inpatient", "emergency", "pharmacy"], required=False, allow_null=True
    )
    med_type = optional_text(8)
    department = optional_text(80)
    doctor_no = optional_text(40)
    registration_no = optional_text(64)
    diagnoses = DiagnosisShape(many=True, required=False, allow_null=True)


class BillShape(serializers.Serializer[Any]):
    bill_no = optional_text(64)
    batch_no = optional_text(64)


class InsuranceShape(serializers.Serializer[Any]):
    scheme = text(20)
    region = optional_text(20)


class ItemShape(serializers.Serializer[Any]):
    line_no = serializers.IntegerField(min_value=1, max_value=10**6)
    code = text(64)
    hospital_code = optional_text(64)
    name = optional_text(200)
    quantity = DecimalText(places=4)
    unit_price = DecimalText(places=6, required=False)
    unit_price_minor = MinorField(required=False)
    amount_minor = MinorField()


class TransactionRequest(serializers.Serializer[Any]):
    """One wish of the hospital toward an insurer."""

    his_no = serializers.RegexField(HIS_NO, max_length=64, help_text="Names this wish for ever.")
    operation = serializers.ChoiceField(choices=OPERATIONS)
    operator = OperatorShape(required=False, allow_null=True)
    person = PersonShape()
    visit = VisitShape()
    bill = BillShape(required=False, allow_null=True)
    insurance = InsuranceShape(help_text="Decides the insurer.")
    # The stubs do not know that `many` makes a list with limits of its own.
    items = ItemShape(many=True, required=False, max_length=ITEMS_LIMIT)  # type: ignore[call-arg]
    total_minor = MinorField(required=False, min_value=1)
    currency = serializers.ChoiceField(choices=sorted(EXPONENTS), default="CNY")
    wait_seconds = serializers.FloatField(min_value=0, max_value=WAIT_LIMIT_SECONDS, default=10, help_text="Seconds.")

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        wait = data.get("wait_seconds") if isinstance(data, dict) else None
        if isinstance(wait, (bool, str)):
            raise serializers.ValidationError({"wait_seconds": "must be a number of seconds"})
        value: dict[str, Any] = super().to_internal_value(data)
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["operation"] in MONEY_OPERATIONS:
            items, total = attrs.get("items"), attrs.get("total_minor")
            if not items:
                raise serializers.ValidationError({"items": "at least one line is needed"})
            if total is None:
                raise serializers.ValidationError({"total_minor": "is needed"})
            _check_items(items, total, attrs["currency"])
        return attrs


def _check_items(items: list[dict[str, Any]], total: int, currency: str) -> None:
    """Lines sum to the total, are numbered once, and each is quantity x price within the rounding tolerance."""
    amounts = sum(item["amount_minor"] for item in items)
    if amounts != total:
        raise serializers.ValidationError({"items": f"the lines sum to {amounts}, total_minor is {total}"})
    if len({item["line_no"] for item in items}) != len(items):
        raise serializers.ValidationError({"items": "a line_no stands twice"})
    scale = Decimal(10) ** EXPONENTS[currency]
    for index, item in enumerate(items):
        if "unit_price" in item:
            exact = Decimal(item["quantity"]) * Decimal(item["unit_price"]) * scale
        elif "unit_price_minor" in item:
            exact = Decimal(item["quantity"]) * item["unit_price_minor"]
        else:
            continue
        if abs(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP) - item["amount_minor"]) > LINE_TOLERANCE_MINOR:
            raise serializers.ValidationError(
                {f"items[{index}].amount_minor": f"quantity x price is {exact.normalize():f}"}
            )


class ShareShape(serializers.Serializer[Any]):
    payer = text()
    insurer = text()
    amount_minor = MinorField()


class AmountsShape(serializers.Serializer[Any]):
    total_minor = MinorField()
    fund_minor = MinorField()
    account_minor = MinorField()
    hospital_minor = MinorField()
    cash_minor = MinorField()
    currency = text(3)
    shares = ShareShape(many=True)
    warning = text(allow_null=True)


class SelfPaymentShape(serializers.Serializer[Any]):
    state = text()
    amount_minor = MinorField()
    refund_due_minor = MinorField()


class SquareShape(serializers.Serializer[Any]):
    square = serializers.BooleanField()


class InsurerShape(serializers.Serializer[Any]):
    code = text()
    interface = text()
    settlement_no = text(allow_null=True)
    msgid = text(allow_null=True)


class ReasonShape(serializers.Serializer[Any]):
    code = text()
    detail = text()
    detail_zh = text()
    fix = text()
    insurer_code = text(allow_null=True)
    insurer_text = text(allow_null=True)


class TransactionAnswer(serializers.Serializer[Any]):
    """The current verdict on a wish."""

    id = serializers.UUIDField()
    his_no = text()
    operation = serializers.ChoiceField(choices=sorted(OPERATION_CLASSES))
    verdict = serializers.ChoiceField(choices=VerdictWord.choices)
    state = serializers.ChoiceField(choices=TransactionState.choices)
    amounts = AmountsShape(allow_null=True)
    self_payment = SelfPaymentShape()
    bill = SquareShape()
    insurer = InsurerShape()
    reason = ReasonShape(allow_null=True)
    acknowledged = serializers.BooleanField()
    trace_id = text()


class ProblemShape(serializers.Serializer[Any]):
    """application/problem+json (RFC 9457)."""

    type = serializers.CharField()
    title = text()
    status = serializers.IntegerField()
    code = text()
    detail = serializers.CharField()
    detail_zh = serializers.CharField()
    fix = serializers.CharField()
    trace_id = text()
