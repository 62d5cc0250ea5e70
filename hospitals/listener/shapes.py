"""Shapes of the hospital interface: what is accepted, said once for validation and for the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.core.validators import RegexValidator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.ids import HIS_NO
from core.money import EXPONENTS, LARGEST_MINOR
from exchange.states import OPERATION_CLASSES, TransactionState, VerdictWord

OPERATIONS = ("eligibility", "presettle", "settle", "cancel", "resettle")
MONEY_OPERATIONS = ("presettle", "settle", "resettle")
# These name a settled transaction in `of`, whose insurer is asked.
UNDOING_OPERATIONS = ("cancel", "resettle")
# `~` is ours: the second half of a resettle can be named, not made.
NAMED = rf"{HIS_NO.pattern}(?:~[0-9]{{1,2}})?"
# `~` is ours here, too: the visit of cash whose own visit is not known.
VISIT_NO = r"(?!~$)\S(?:.*\S)?"
VISIT_NO_SAYS = "must be one line, not begin or end with a blank, and not be ~"
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
ITEMS_LIMIT = 5000
WAIT_LIMIT_SECONDS = 25
# A hospital rounds each line to its minor unit; half up is the profile of the demo hospitals.
LINE_TOLERANCE_MINOR = 1


class WholeNumber(serializers.IntegerField):
    """A JSON integer: strings, booleans and fractions are refused."""

    default_error_messages = {"invalid": "must be a whole number, not a fraction or text"}

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return data


class MinorField(WholeNumber):
    """Whole minor units: 100.0 is not an amount."""

    default_error_messages = {"invalid": "must be a whole number of minor units (fen), not a fraction or text"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 0, "max_value": LARGEST_MINOR, **kwargs})


@extend_schema_field({"type": ["string", "number"], "minimum": 0, "examples": ["1", "0.5"]})
class DecimalText(serializers.Field[str, Any, str, Any]):
    """A decimal number as text ("100.000000"); a JSON number is taken too. Kept as text."""

    default_error_messages = {"invalid": "must be a decimal number as text, at most 14 digits and {places} places"}

    def __init__(self, *, places: int, **kwargs: Any) -> None:
        self.places = places
        self.form = re.compile(rf"[0-9]{{1,14}}(?:\.[0-9]{{1,{places}}})?")
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        written = str(data) if type(data) in (str, int, Decimal) else ""
        # Decimal() itself would read "1_000", "NaN" and "1e999999999".
        if not self.form.fullmatch(written):
            self.fail("invalid", places=self.places)
        return written

    def to_representation(self, value: Any) -> str:
        return str(value)


class WaitField(serializers.FloatField):
    """Seconds as a JSON number."""

    default_error_messages = {"range": "must be a number of seconds from 0 to {limit}"}

    def to_internal_value(self, data: Any) -> float:
        if type(data) not in (int, Decimal) or not 0 <= data <= WAIT_LIMIT_SECONDS:
            self.fail("range", limit=WAIT_LIMIT_SECONDS)
        return float(data)


class Text(serializers.CharField):
    """Text as it came: nothing is trimmed and no number is taken for text, for the body itself is stored and sent."""

    default_error_messages = {"invalid": "must be text"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if type(data) is not str:
            self.fail("invalid")
        return data


class Identifier(Text):
    """A number or code that finds something again: no blank at either end, one line."""

    def __init__(self, *, form: str = r"\S(?:.*\S)?", says: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        message = says or "must be one line and not begin or end with a blank"
        self.validators.append(RegexValidator(rf"\A{form}\Z", message=message))


class Moment(serializers.DateTimeField):
    """RFC 3339 with its offset: a time of no zone is refused."""

    default_error_messages = {"form": "must be a time like 2026-11-22T08:30:00Z, with its offset"}

    def to_internal_value(self, data: Any) -> Any:
        if type(data) is not str or not MOMENT.fullmatch(data):
            self.fail("form")
        return super().to_internal_value(data)


class Choice(serializers.ChoiceField):
    """One of a few words; a refusal names them all."""

    def __init__(self, *, choices: Sequence[str], **kwargs: Any) -> None:
        message = f"must be one of {', '.join(choices)}"
        super().__init__(choices=choices, error_messages={"invalid_choice": message}, **kwargs)


def text(limit: int = 200, **kwargs: Any) -> Text:
    return Text(max_length=limit, **kwargs)


def optional_text(limit: int = 200) -> Text:
    return Text(max_length=limit, required=False, allow_null=True, allow_blank=True)


def optional_identifier(limit: int) -> Identifier:
    return Identifier(max_length=limit, required=False, allow_null=True, allow_blank=True)


class OperatorShape(serializers.Serializer[Any]):
    no = optional_text(40)
    name = optional_text(80)
    terminal_no = optional_text(40)
    shift_no = optional_text(40)


class PersonShape(serializers.Serializer[Any]):
    id_type = optional_identifier(8)
    id_no = optional_identifier(40)
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
    visit_no = Identifier(form=VISIT_NO, says=VISIT_NO_SAYS, max_length=64)
    kind = Choice(choices=["outpatient", "inpatient", "emergency", "pharmacy"], required=False, allow_null=True)
    med_type = optional_text(8)
    department = optional_text(80)
    doctor_no = optional_text(40)
    registration_no = optional_text(64)
    diagnoses = DiagnosisShape(many=True, required=False, allow_null=True)


class BillShape(serializers.Serializer[Any]):
    bill_no = optional_identifier(64)
    batch_no = optional_identifier(64)


class InsuranceShape(serializers.Serializer[Any]):
    scheme = Identifier(max_length=20)
    region = optional_identifier(20)


class ItemShape(serializers.Serializer[Any]):
    line_no = WholeNumber(min_value=1, max_value=10**6)
    code = Identifier(max_length=64)
    hospital_code = optional_text(64)
    name = optional_text(200)
    quantity = DecimalText(places=4)
    unit_price = DecimalText(places=6, required=False)
    unit_price_minor = MinorField(required=False)
    amount_minor = MinorField()


def _named(says: str) -> Identifier:
    message = "must be a his_no of an earlier request"
    return Identifier(
        form=NAMED, says=message, max_length=67, required=False, allow_null=True, allow_blank=True, help_text=says
    )


class TransactionRequest(serializers.Serializer[Any]):
    """One wish of the hospital toward an insurer."""

    his_no = Identifier(
        form=HIS_NO.pattern,
        says="must be 1 to 64 of the characters A-Z a-z 0-9 . _ -",
        max_length=64,
        help_text="Names this wish for ever.",
    )
    operation = Choice(choices=OPERATIONS)
    operator = OperatorShape(required=False, allow_null=True)
    person = PersonShape()
    visit = VisitShape()
    bill = BillShape(required=False, allow_null=True)
    insurance = InsuranceShape(
        required=False, allow_null=True, help_text="Decides the insurer. null: the insurers are asked who covers."
    )
    of = _named("The settled transaction that is cancelled or settled anew.")
    retry_of = _named("An unsent or refused wish without cash that this one tries again.")
    replaces = _named("An ended wish whose bill and cash this one takes over.")
    presettle_of = _named("The trial that told the patient's own share.")
    expect_cash_minor = MinorField(required=False, allow_null=True, help_text="The own share that was told before.")
    # The stubs do not know that `many` makes a list with limits of its own.
    items = ItemShape(many=True, required=False, max_length=ITEMS_LIMIT)  # type: ignore[call-arg]
    total_minor = MinorField(required=False, min_value=1)
    currency = Choice(choices=sorted(EXPONENTS), default="CNY")
    wait_seconds = WaitField(min_value=0, max_value=WAIT_LIMIT_SECONDS, default=10, help_text="Seconds.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        _check_references(attrs)
        if attrs["operation"] in MONEY_OPERATIONS:
            items, total = attrs.get("items"), attrs.get("total_minor")
            if not items:
                raise serializers.ValidationError({"items": "at least one line is needed"})
            if total is None:
                raise serializers.ValidationError({"total_minor": "is needed"})
            _check_items(items, total, attrs["currency"])
        return attrs


def _check_references(attrs: dict[str, Any]) -> None:
    """Which other wish may be named by which operation."""
    operation = attrs["operation"]
    undoes = operation in UNDOING_OPERATIONS
    if undoes and not attrs.get("of"):
        raise serializers.ValidationError({"of": "is needed: the his_no of the settled transaction"})
    allowed = {"of": undoes, "retry_of": operation == "settle", "replaces": operation == "settle"}
    for name, may in allowed.items():
        if attrs.get(name) and not may:
            raise serializers.ValidationError({name: f"cannot be named by {operation}"})
    if attrs.get("retry_of") and attrs.get("replaces"):
        raise serializers.ValidationError({"replaces": "name either replaces or retry_of"})


def _check_items(items: list[dict[str, Any]], total: int, currency: str) -> None:
    """Lines sum to the total, are numbered once, and each is quantity x price within the rounding tolerance."""
    amounts = sum(item["amount_minor"] for item in items)
    if amounts != total:
        raise serializers.ValidationError({"items": f"the lines sum to {amounts}, total_minor is {total} (fen)"})
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
        # A huge product has more digits than quantize can hold; it fits no amount anyway.
        rounded = exact.quantize(Decimal(1), rounding=ROUND_HALF_UP) if exact < 2 * LARGEST_MINOR else exact
        amount = item["amount_minor"]
        if abs(rounded - amount) > LINE_TOLERANCE_MINOR:
            message = f"quantity x price is {exact.normalize():f}, amount_minor is {amount} (fen)"
            raise serializers.ValidationError({f"items[{index}].amount_minor": message})


class ShareShape(serializers.Serializer[Any]):
    payer = serializers.CharField()
    insurer = serializers.CharField()
    amount_minor = MinorField()


class AmountsShape(serializers.Serializer[Any]):
    total_minor = MinorField()
    fund_minor = MinorField()
    account_minor = MinorField()
    hospital_minor = MinorField()
    cash_minor = MinorField()
    currency = serializers.CharField()
    shares = ShareShape(many=True)
    warning = serializers.CharField(allow_null=True)


class SelfPaymentShape(serializers.Serializer[Any]):
    state = serializers.CharField()
    amount_minor = MinorField()
    refund_due_minor = MinorField()


class SquareShape(serializers.Serializer[Any]):
    square = serializers.BooleanField()
    outside = serializers.BooleanField(help_text="Nothing of the bill is settled, in doubt or paid in cash here.")


class InsurerShape(serializers.Serializer[Any]):
    """`code` and `interface` are null for cash whose wish never came."""

    code = serializers.CharField(allow_null=True)
    interface = serializers.CharField(allow_null=True)
    settlement_no = serializers.CharField(allow_null=True)
    msgid = serializers.CharField(allow_null=True)


class ReasonShape(serializers.Serializer[Any]):
    code = serializers.CharField()
    detail = serializers.CharField()
    detail_zh = serializers.CharField()
    fix = serializers.CharField()
    fix_zh = serializers.CharField()
    insurer_code = serializers.CharField(allow_null=True)
    insurer_text = serializers.CharField(allow_null=True)


class TransactionAnswer(serializers.Serializer[Any]):
    """The current verdict on a wish."""

    id = serializers.UUIDField()
    his_no = serializers.CharField()
    operation = serializers.ChoiceField(choices=sorted(OPERATION_CLASSES))
    verdict = serializers.ChoiceField(choices=VerdictWord.choices)
    state = serializers.ChoiceField(choices=TransactionState.choices)
    amounts = AmountsShape(allow_null=True)
    self_payment = SelfPaymentShape()
    bill = SquareShape()
    insurer = InsurerShape()
    reason = ReasonShape(allow_null=True)
    cash_difference_minor = serializers.IntegerField(
        required=False, help_text="Of a resettled fee: the new own share less the old one."
    )
    acknowledged = serializers.BooleanField()
    trace_id = serializers.CharField()


class FieldErrorShape(serializers.Serializer[Any]):
    field = serializers.CharField()
    message = serializers.CharField()


class ProblemShape(serializers.Serializer[Any]):
    """application/problem+json (RFC 9457). Decide by `code`."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    detail_zh = serializers.CharField()
    fix = serializers.CharField()
    fix_zh = serializers.CharField()
    trace_id = serializers.CharField()
    # The metaclass takes fields out of the class: the property of that name is not in their way.
    errors = FieldErrorShape(  # type: ignore[assignment]
        many=True, required=False, help_text="With `invalid_fields`: what is wrong, at most 50."
    )
    transaction = TransactionAnswer(
        required=False, help_text="With most 409: the current answer of the one in the way."
    )
