"""Examples of the OpenAPI document: one hospital's day with one patient. A test holds them to their shapes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample

HIS_NO = "HIS-20261122-000001"
TRACE_ID = "5bba6a599027de08b70cde12ae3cb401"
SETTLE: dict[str, Any] = {
    "his_no": HIS_NO,
    "operation": "settle",
    "operator": {"no": "C12", "terminal_no": "W03", "shift_no": "S-1"},
    "person": {"id_type": "01", "id_no": "110101199001011237", "name": "张三"},
    "visit": {"visit_no": "V-1001", "kind": "outpatient"},
    "bill": {"bill_no": "B-1"},
    "insurance": {"scheme": "310", "region": "110000"},
    "items": [
        {
            "line_no": 1,
            "code": "XM0001",
            "name": "检查费",
            "quantity": "1",
            "unit_price": "100.000000",
            "amount_minor": 10000,
        }
    ],
    "total_minor": 10000,
    "currency": "CNY",
    "wait_seconds": 10,
}
CANCEL = {name: SETTLE[name] for name in ("person", "visit", "bill")} | {
    "his_no": "HIS-20261122-000003",
    "operation": "cancel",
    "of": HIS_NO,
}
HALF = {"items": [{"line_no": 1, "code": "XM0001", "quantity": "1", "amount_minor": 5000}], "total_minor": 5000}
SUCCEEDED: dict[str, Any] = {
    "id": "01a2024b-fa3c-7b45-83c2-333ef0229a99",
    "his_no": HIS_NO,
    "operation": "settle",
    "verdict": "succeeded",
    "state": "SUCCEEDED",
    "amounts": {
        "total_minor": 10000,
        "fund_minor": 8000,
        "account_minor": 0,
        "hospital_minor": 0,
        "cash_minor": 2000,
        "currency": "CNY",
        "shares": [{"payer": "basic_fund", "insurer": "SANDBOX-A", "amount_minor": 8000}],
        "warning": None,
    },
    "self_payment": {"state": "NONE", "amount_minor": 0, "refund_due_minor": 0},
    "bill": {"square": True, "outside": False},
    "insurer": {
        "code": "SANDBOX-A",
        "interface": "SANDBOX-A",
        "settlement_no": "SANDBOX-A-0000000001",
        "msgid": "MS0000000000000001",
    },
    "reason": None,
    "acknowledged": False,
    "trace_id": TRACE_ID,
}
SILENCE: dict[str, Any] = {
    "code": "insurer_did_not_answer",
    "detail": "The insurer did not answer in time; whether it settled is not known yet.",
    "detail_zh": "保险方未在时限内应答，是否已结算尚不确定。",
    "fix": "Wait: the monitor is finding out. Or take cash and say so with abandon. Send no new settlement meanwhile.",
    "fix_zh": "请等待，平台正在核实；或改收现金并用 abandon 告知。在此期间请勿重新结算。",
    "insurer_code": None,
    "insurer_text": None,
}
PENDING: dict[str, Any] = SUCCEEDED | {
    "verdict": "pending",
    "state": "IN_DOUBT",
    "amounts": None,
    "bill": {"square": False, "outside": False},
    "insurer": SUCCEEDED["insurer"] | {"settlement_no": None},
    "reason": SILENCE,
}
ABANDONED: dict[str, Any] = PENDING | {
    "verdict": "abandoned",
    "self_payment": {"state": "PAID", "amount_minor": 10000, "refund_due_minor": 0},
    "bill": {"square": True, "outside": False},
}
ENTRY = {
    "kind": "in_doubt",
    "his_no": HIS_NO,
    "operation": "settle",
    "verdict": "pending",
    "state": "IN_DOUBT",
    "visit_no": "V-1001",
    "bill_no": "B-1",
    "amount_minor": 10000,
    "currency": "CNY",
    "since": "2026-11-22T08:30:05.120Z",
    "age_seconds": 41,
    "unclaimed": False,
    "owner": None,
    "operator_no": "C12",
    "shift_no": "S-1",
    "reason": SILENCE,
}
LANE = {
    "insurer": "SANDBOX-A",
    "interface": "SANDBOX-A",
    "name": "Sandbox Insurer A",
    "name_zh": "沙箱保险甲",
    "state": "open",
    "paused_since": None,
    "paused_reason": None,
}


def _asked(name: str, value: dict[str, Any]) -> OpenApiExample:
    return OpenApiExample(name, value=value, request_only=True)


def _told(name: str, value: dict[str, Any], *, status: int = 200) -> OpenApiExample:
    return OpenApiExample(name, value=value, response_only=True, status_codes=[str(status)])


WISHES = [
    _asked("settle", SETTLE),
    _asked("settle anew after cash", SETTLE | {"his_no": "HIS-20261122-000002", "replaces": HIS_NO, "insurance": None}),
    _asked("cancel", CANCEL),
    _asked("resettle", CANCEL | HALF | {"his_no": "HIS-20261122-000004", "operation": "resettle"}),
    _told("succeeded", SUCCEEDED),
    _told("pending", PENDING, status=202),
]
VERDICTS = [_told("succeeded", SUCCEEDED), _told("pending", PENDING), _told("abandoned", ABANDONED)]
ACTS: dict[str, list[OpenApiExample]] = {
    "abandon": [
        _asked(
            "cash for a pending wish",
            {
                "self_paid_minor": 10000,
                "collected_at": "2026-11-22T08:31:00+08:00",
                "tender": "cash",
                "receipt_no": "R-1",
            },
        ),
        _asked(
            "cash for a wish that may never have come",
            {
                "self_paid_minor": 10000,
                "receipt_no": "R-1",
                "visit_no": "V-1001",
                "bill_no": "B-1",
                "total_minor": 10000,
            },
        ),
        _told("abandoned", ABANDONED),
    ],
    "acknowledge": [
        _asked("acknowledge", {"verdict": "succeeded"}),
        _told("acknowledged", SUCCEEDED | {"acknowledged": True}),
    ],
    "disown": [_asked("disown", {"reason": "the till was restarted before it booked"})],
    "refunded": [
        _asked(
            "refund",
            {"amount_minor": 8000, "refund_no": "F-1", "tender": "cash", "red_receipt_no": "RR-1"},
        )
    ],
    "service-cancelled": [_asked("service cancelled", {})],
}
ABNORMAL = [_told("one page", {"entries": [ENTRY], "cursor": None, "trace_id": TRACE_ID})]
LANES = [_told("one lane", {"lanes": [LANE], "trace_id": TRACE_ID})]
BILL = [
    _told(
        "a settled bill",
        {
            "visit_no": "V-1001",
            "bill_no": "B-1",
            "currency": "CNY",
            "created_at": "2026-11-22T08:30:00Z",
            "square": True,
            "outside": False,
            "resting": True,
            "price_minor": 10000,
            "payers_minor": 8000,
            "own_share_minor": 2000,
            "self_paid_minor": 0,
            "refunded_minor": 0,
            "net_cash_minor": 2000,
            "refund_due_minor": 0,
            "refund_due_since": None,
            "unclaimed": False,
            "cash_short_minor": 0,
            "not_square_since": None,
            "transactions": [
                SUCCEEDED
                | {"batch_no": "", "of": None, "replaces": None, "retry_of": None, "cancel_open": False}
                | {"received_at": "2026-11-22T08:30:00Z"}
                | dict.fromkeys(("abandoned_at", "disowned_at", "service_cancelled_at"))
            ],
            "self_payments": [],
            "refunds": [],
            "resettles": [],
            "trace_id": TRACE_ID,
        },
    )
]
