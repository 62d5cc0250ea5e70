"""Shapes of what is read: bills, the abnormal list, lanes, the path of the messages."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from exchange.selectors.abnormal import AbnormalKind
from exchange.selectors.bills import ResettleState
from exchange.states import OPERATION_CLASSES, CallKind, CallOutcome, TransactionState, VerdictWord
from hospitals.listener.shapes import MinorField, ReasonShape, TransactionAnswer


class BillTransactionShape(TransactionAnswer):
    """The current verdict on a wish, and how it stands to the others on its bill."""

    batch_no = serializers.CharField()
    of = serializers.CharField(allow_null=True)
    replaces = serializers.CharField(allow_null=True)
    retry_of = serializers.CharField(allow_null=True)
    cancel_open = serializers.BooleanField(help_text="Settled, and its cancel has not ended.")
    received_at = serializers.DateTimeField()
    abandoned_at = serializers.DateTimeField(allow_null=True)
    disowned_at = serializers.DateTimeField(allow_null=True)
    service_cancelled_at = serializers.DateTimeField(allow_null=True)


class BillPaymentShape(serializers.Serializer[Any]):
    """Cash that was told with `abandon`."""

    his_no = serializers.CharField()
    state = serializers.ChoiceField(choices=["PAID", "STANDS", "REFUND_DUE", "UNCLAIMED", "REFUNDED"])
    amount_minor = MinorField()
    currency = serializers.CharField()
    collected_at = serializers.DateTimeField()
    tender = serializers.CharField()
    receipt_no = serializers.CharField()
    told_at = serializers.DateTimeField()


class BillRefundShape(serializers.Serializer[Any]):
    """Cash that was told with `refunded`."""

    his_no = serializers.CharField()
    amount_minor = MinorField()
    currency = serializers.CharField()
    refund_no = serializers.CharField()
    tender = serializers.CharField()
    original_tender_ref = serializers.CharField()
    red_receipt_no = serializers.CharField()
    told_at = serializers.DateTimeField()


class BillResettleShape(serializers.Serializer[Any]):
    """A fee that is settled anew for its rest."""

    cancel = serializers.CharField(help_text="his_no of the cancel.")
    rest = serializers.CharField(help_text="his_no of the second half.")
    state = serializers.ChoiceField(choices=[str(one) for one in ResettleState])
    since = serializers.DateTimeField()
    age_seconds = serializers.IntegerField(min_value=0)


class BillAnswer(serializers.Serializer[Any]):
    """Everything on one bill, as of one moment. Amounts in minor units."""

    visit_no = serializers.CharField()
    bill_no = serializers.CharField(help_text="Empty: the bill of the visit itself.")
    currency = serializers.CharField()
    created_at = serializers.DateTimeField()
    square = serializers.BooleanField(help_text="payers + net cash = price.")
    outside = serializers.BooleanField(help_text="Nothing of it is settled, in doubt or paid in cash here.")
    resting = serializers.BooleanField(help_text="Nothing on it is under way.")
    price_minor = MinorField(help_text="Of what is settled, in doubt, or paid in cash and not followed or given up.")
    payers_minor = MinorField(help_text="What insurers and accounts bear of it now.")
    own_share_minor = serializers.IntegerField(help_text="price - payers.")
    self_paid_minor = MinorField(help_text="Cash told with `abandon`.")
    refunded_minor = MinorField(help_text="Cash told with `refunded`.")
    net_cash_minor = serializers.IntegerField(
        help_text="self_paid - refunded, and the own share of live settlements that none of it covers."
    )
    refund_due_minor = MinorField()
    refund_due_since = serializers.DateTimeField(allow_null=True)
    unclaimed = serializers.BooleanField(help_text="Due for longer than is good.")
    cash_short_minor = MinorField(help_text="Of a refund that became too much.")
    not_square_since = serializers.DateTimeField(allow_null=True)
    transactions = BillTransactionShape(many=True)
    self_payments = BillPaymentShape(many=True)
    refunds = BillRefundShape(many=True)
    resettles = BillResettleShape(many=True)
    trace_id = serializers.CharField()


class AbnormalEntryShape(serializers.Serializer[Any]):
    """One thing that needs somebody. (kind, his_no) names it from reading to reading."""

    kind = serializers.ChoiceField(choices=[str(one) for one in AbnormalKind])
    his_no = serializers.CharField(help_text="Of a bill's entry: the latest wish of the bill.")
    operation = serializers.ChoiceField(choices=sorted(OPERATION_CLASSES))
    verdict = serializers.ChoiceField(choices=VerdictWord.choices)
    state = serializers.ChoiceField(choices=TransactionState.choices)
    visit_no = serializers.CharField(allow_null=True)
    bill_no = serializers.CharField(allow_null=True)
    amount_minor = MinorField(allow_null=True, help_text="Due back, short, or else the total of the wish.")
    currency = serializers.CharField()
    since = serializers.DateTimeField()
    age_seconds = serializers.IntegerField(min_value=0)
    unclaimed = serializers.BooleanField(help_text="A refund that is due for longer than is good.")
    owner = serializers.CharField(allow_null=True, help_text="Who is on call for what needs a person.")
    operator_no = serializers.CharField(allow_null=True)
    shift_no = serializers.CharField(allow_null=True)
    reason = ReasonShape()


class AbnormalAnswer(serializers.Serializer[Any]):
    """The current list, oldest arrival first. The cursor turns pages within one reading."""

    entries = AbnormalEntryShape(many=True)
    cursor = serializers.CharField(allow_null=True, help_text="For the next page; null on the last.")
    trace_id = serializers.CharField()


class LaneShape(serializers.Serializer[Any]):
    """The way to one insurer."""

    insurer = serializers.CharField()
    interface = serializers.CharField()
    name = serializers.CharField()
    name_zh = serializers.CharField()
    state = serializers.ChoiceField(choices=["open", "slow", "broken", "paused"])
    paused_since = serializers.DateTimeField(allow_null=True)
    paused_reason = serializers.CharField(allow_null=True)


class LanesAnswer(serializers.Serializer[Any]):
    lanes = LaneShape(many=True)
    trace_id = serializers.CharField()


class WireShape(serializers.Serializer[Any]):
    """One direction: headers and body for the eye, personal data masked."""

    headers = serializers.DictField(child=serializers.CharField())
    body = serializers.CharField()
    sealed_away = serializers.BooleanField(help_text="The key for it is gone: nothing can be shown any more.")


class MessageShape(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=CallKind.values)
    msgid = serializers.CharField()
    insurer = serializers.CharField()
    interface = serializers.CharField()
    armed_at = serializers.DateTimeField(help_text="Stored; sent right after.")
    send_before = serializers.DateTimeField()
    not_after = serializers.DateTimeField()
    deadline = serializers.DateTimeField()
    outcome = serializers.ChoiceField(choices=CallOutcome.values, allow_null=True, help_text="Null: no answer so far.")
    outcome_at = serializers.DateTimeField(allow_null=True)
    outcome_reason = serializers.CharField()
    http_status = serializers.IntegerField(allow_null=True)
    elapsed_ms = serializers.IntegerField(allow_null=True)
    request = WireShape()
    answer = WireShape(allow_null=True)


class MessagesAnswer(serializers.Serializer[Any]):
    """What was asked, and every message that followed, oldest first."""

    his_no = serializers.CharField()
    wish = WireShape()
    messages = MessageShape(many=True)
    trace_id = serializers.CharField()
