"""Shapes of the back office's calls: a shift's close, a day's list, and what they come to."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from core.money import EXPONENTS, LARGEST_MINOR
from exchange.days import DayCaseKind
from hospitals.listener.shapes import (
    NAMED,
    Choice,
    Identifier,
    MinorField,
    Moment,
    optional_identifier,
    optional_text,
    text,
)

TENDERS_LIMIT = 50
DAY_ROWS_LIMIT = 20_000
SHARES_LIMIT = 20


class BalanceField(MinorField):
    """Whole minor units that may be below zero: a till that gave back more than it took."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": -LARGEST_MINOR, **kwargs})


class TenderTotal(serializers.Serializer[Any]):
    tender = text(40, help_text="As in `abandon` and `refunded`: cash, card, wechat ...")
    amount_minor = BalanceField(help_text="What the till took less what it gave back.")


class ShiftCloseRequest(serializers.Serializer[Any]):
    """What the till holds for the shift's insured bills, by tender."""

    # The stubs do not know that `many` makes a list with limits of its own.
    totals = TenderTotal(many=True, max_length=TENDERS_LIMIT)  # type: ignore[call-arg]
    currency = Choice(choices=sorted(EXPONENTS), default="CNY")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        tenders = [one["tender"] for one in attrs["totals"]]
        if len(set(tenders)) != len(tenders):
            raise serializers.ValidationError({"totals": "a tender stands twice"})
        return attrs


class CountShape(serializers.Serializer[Any]):
    count = serializers.IntegerField(min_value=0)
    total_minor = MinorField()


class SettledShape(CountShape):
    own_minor = MinorField(help_text="The patients' own shares.")


class NamedShape(serializers.Serializer[Any]):
    his_no = serializers.CharField()
    state = serializers.CharField()
    total_minor = MinorField()
    paid_minor = MinorField(help_text="Cash told for it.")
    since = serializers.DateTimeField()
    operator_no = serializers.CharField()


class ByNameShape(CountShape):
    """At most 1,000 by name; `count` counts all."""

    transactions = NamedShape(many=True)


class BillDueShape(serializers.Serializer[Any]):
    visit_no = serializers.CharField()
    bill_no = serializers.CharField()
    refund_due_minor = MinorField()


class RefundDueShape(serializers.Serializer[Any]):
    count = serializers.IntegerField(min_value=0)
    amount_minor = MinorField()
    bills = BillDueShape(many=True)


class TenderShape(serializers.Serializer[Any]):
    """One tender: what the till told, and of that what we know by tender. Own shares are told without one."""

    tender = serializers.CharField()
    told_minor = BalanceField()
    taken_minor = MinorField()
    refunded_minor = MinorField()


class ShiftAnswer(serializers.Serializer[Any]):
    """The shift at the moment it was closed. `difference_minor` = told - till."""

    shift_no = serializers.CharField()
    currency = serializers.CharField()
    closed_at = serializers.DateTimeField()
    settled = SettledShape()
    refused = CountShape()
    not_sent = CountShape()
    reversed = CountShape()
    cancelled = CountShape()
    unknown = ByNameShape(help_text="Nobody knows yet: they may be settled.")
    unacknowledged = ByNameShape(help_text="Settled, and never said to be booked.")
    refund_due = RefundDueShape()
    own_shares_minor = MinorField(help_text="Taken with settlements; what told cash covers is not in here.")
    cash_taken_minor = MinorField()
    refunded_minor = MinorField()
    given_back_minor = MinorField(help_text="Own shares of what cancels have undone.")
    till_minor = BalanceField(help_text="own shares + cash taken - refunded - given back.")
    tenders = TenderShape(many=True)
    told_minor = BalanceField()
    difference_minor = BalanceField()


class ListedShare(serializers.Serializer[Any]):
    payer = text(40)
    amount_minor = MinorField()


def _optional_minor() -> MinorField:
    return MinorField(required=False, allow_null=True)


class ListedFee(serializers.Serializer[Any]):
    """A fee that the hospital has booked as settled. What is left out is not compared."""

    his_no = Identifier(form=NAMED, says="must be a his_no of an earlier request", max_length=67)
    visit_no = optional_identifier(64)
    bill_no = optional_identifier(64)
    total_minor = MinorField(min_value=1)
    fund_minor = _optional_minor()
    account_minor = _optional_minor()
    hospital_minor = _optional_minor()
    cash_minor = _optional_minor()
    currency = Choice(choices=sorted(EXPONENTS), required=False, allow_null=True)
    shares = ListedShare(many=True, required=False, allow_null=True, max_length=SHARES_LIMIT)  # type: ignore[call-arg]
    tender = optional_text(40)
    operator_no = optional_text(40)
    shift_no = optional_text(40)


class DayListRequest(serializers.Serializer[Any]):
    """The hospital's own list of a business day: what it has booked as settled."""

    rows = ListedFee(many=True, max_length=DAY_ROWS_LIMIT)  # type: ignore[call-arg]
    signed_by = optional_identifier(80)
    second_by = optional_identifier(80)
    as_of = Moment(required=False, allow_null=True, help_text="What was settled later is not missed. Default: now.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("second_by") and not attrs.get("signed_by"):
            raise serializers.ValidationError({"signed_by": "is needed beside second_by"})
        return attrs


class DayListShape(serializers.Serializer[Any]):
    version = serializers.IntegerField()
    rows = serializers.IntegerField()
    received_at = serializers.DateTimeField()
    as_of = serializers.DateTimeField()
    signed_by = serializers.CharField(allow_null=True)
    second_by = serializers.CharField(allow_null=True)
    signed_at = serializers.DateTimeField(allow_null=True)


class DaySumsShape(serializers.Serializer[Any]):
    """A part that one row leaves out is null."""

    currency = serializers.CharField()
    count = serializers.IntegerField()
    total_minor = MinorField(allow_null=True)
    fund_minor = MinorField(allow_null=True)
    account_minor = MinorField(allow_null=True)
    hospital_minor = MinorField(allow_null=True)
    cash_minor = MinorField(allow_null=True)


class DayInsurerShape(serializers.Serializer[Any]):
    insurer = serializers.CharField()
    interface = serializers.CharField()
    file = serializers.CharField(help_text="`not_received` until insurers' files are read.")
    ours = DaySumsShape(many=True)


class DayCaseShape(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=[str(one) for one in DayCaseKind])
    his_no = serializers.CharField()
    opened_at = serializers.DateTimeField()
    insurer = serializers.CharField(help_text="`not_received` until insurers' files are read.")
    ours = serializers.DictField(allow_null=True)
    theirs = serializers.DictField(allow_null=True)
    details = serializers.DictField()


class UnresolvedShape(serializers.Serializer[Any]):
    his_no = serializers.CharField()
    operation = serializers.CharField()
    state = serializers.CharField()
    total_minor = MinorField(allow_null=True)
    received_at = serializers.DateTimeField()
    insurer = serializers.CharField(allow_null=True)
    can_be_queried = serializers.BooleanField()


class DayAnswer(serializers.Serializer[Any]):
    """A business day: the hospital's list against ours, and against the insurers' files once they are read."""

    business_date = serializers.DateField()
    time_zone = serializers.CharField()
    list = DayListShape(allow_null=True, help_text="The latest one; null: none was sent.")
    insurer = serializers.CharField(help_text="`not_received` until insurers' files are read.")
    ours = DaySumsShape(many=True)
    theirs = DaySumsShape(many=True)
    insurers = DayInsurerShape(many=True)
    cases_open = serializers.IntegerField()
    cases_closed = serializers.IntegerField()
    cases = DayCaseShape(many=True, help_text="Open ones, at most 1,000.")
    unresolved_count = serializers.IntegerField(help_text="Up to that day and not ended; counted to 1,001.")
    unresolved = UnresolvedShape(many=True)
    agrees = serializers.BooleanField()


def in_order_of(shape: Any, answer: Any) -> Any:
    """A stored answer as its shape lists it: jsonb forgets the order of members."""
    if isinstance(shape, serializers.ListSerializer):
        return [in_order_of(shape.child, one) for one in answer]
    if not isinstance(shape, serializers.Serializer) or not isinstance(answer, dict):
        return answer
    return {name: in_order_of(field, answer[name]) for name, field in shape.fields.items() if name in answer} | {
        name: value for name, value in answer.items() if name not in shape.fields
    }
