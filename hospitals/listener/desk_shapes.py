"""Shapes of the back office's calls: a shift's close, a day's list, and what they come to."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from core.money import EXPONENTS, LARGEST_MINOR
from hospitals.listener.shapes import Choice, MinorField, text

TENDERS_LIMIT = 50


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


def in_order_of(shape: Any, answer: Any) -> Any:
    """A stored answer as its shape lists it: jsonb forgets the order of members."""
    if isinstance(shape, serializers.ListSerializer):
        return [in_order_of(shape.child, one) for one in answer]
    if not isinstance(shape, serializers.Serializer) or not isinstance(answer, dict):
        return answer
    return {name: in_order_of(field, answer[name]) for name, field in shape.fields.items() if name in answer} | {
        name: value for name, value in answer.items() if name not in shape.fields
    }
