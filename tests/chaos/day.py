"""A small day on which everything went right: a fee settled, one re-settled after cash, one cancelled, one refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chaos.facts import Cash, Facts, Held, Ours, Posted, Told, Wished


def bill(number: int) -> tuple[str, str, str]:
    return ("HOSP-A", f"V-{number}", f"B-{number}")


def wished(his_no: str, number: int, operation: str = "settle", **changes: Any) -> Wished:
    hospital, visit_no, bill_no = bill(number)
    place = {"hospital": hospital, "visit_no": visit_no, "bill_no": bill_no, "insurer": "SANDBOX-A"}
    return Wished(**{**place, "his_no": his_no, "operation": operation, "total_minor": 10000, **changes})


def ours(his_no: str, state: str, *verdicts: str, **changes: Any) -> Ours:
    amounts = {"fund_minor": 8000, "account_minor": 0, "hospital_minor": 0, "cash_minor": 2000}
    proven = amounts if state in ("SUCCEEDED", "CANCELLED") else {}
    base = {"operation_class": "MOVES", "insurer": "SANDBOX-A", "total_minor": 10000, "settle_msgids": [f"M-{his_no}"]}
    return Ours(**{**base, **proven, "his_no": his_no, "state": state, "verdicts": verdicts, **changes})


def held(his_no: str, state: str, **changes: Any) -> Held:
    amounts = {"total_minor": 10000, "fund_minor": 8000, "account_minor": 0, "hospital_minor": 0, "cash_minor": 2000}
    base = {"insurer": "SANDBOX-A", "msgid": f"M-{his_no}", "accepted_reversals": int(state == "reversed")}
    return Held(**{**base, **amounts, "his_no": his_no, "state": state, **changes})


def told(his_no: str, *verdicts: str, act: str = "get", status: int = 200) -> list[Told]:
    return [Told(his_no=his_no, asked=his_no, act=act, status=status, verdict=verdict) for verdict in verdicts]


def shown(price: int, payers: int, *, self_paid: int = 0, refunded: int = 0, net: int = 0) -> dict[str, Any]:
    """What GET says of a square bill."""
    sums = {"price": price, "payers": payers, "self_paid": self_paid, "refunded": refunded, "net_cash": net}
    zeros = dict.fromkeys(("refund_due_minor", "cash_short_minor"), 0)
    return {"square": True, **{f"{name}_minor": minor for name, minor in sums.items()}, **zeros}


def good_day() -> Facts:
    """1: settled. 2: doubt, cash, reversed; 2b re-settled, 80.00 given back. 3: cancelled by 3c. 4: refused."""
    endings = {
        "1": "succeeded",
        "2": "reversed",
        "2b": "succeeded",
        "3": "cancelled",
        "3c": "succeeded",
        "4": "rejected",
    }
    wishes = [
        *(wished("1", 1), wished("2", 2), wished("2b", 2, replaces="2"), wished("3", 3)),
        *(wished("3c", 3, "cancel", of="3"), wished("4", 4)),
    ]
    rows = [
        ours("1", "SUCCEEDED", "pending", "succeeded"),
        ours("2", "REVERSED", "pending", "abandoned", "reversed"),
        ours("2b", "SUCCEEDED", "succeeded"),
        ours("3", "CANCELLED", "succeeded", "cancelled"),
        ours("3c", "SUCCEEDED", "succeeded", operation_class="UNDOES", of="3", settle_msgids=[]),
        ours("4", "REJECTED", "rejected"),
    ]
    settled = Posted(receivable_minor=8000, counter_cash_minor=2000, fees_minor=10000)
    return Facts(
        told=[
            *told("1", "pending", "succeeded"),
            *told("1", "succeeded", act="acknowledge"),
            *told("2", "pending", status=202),
            *told("2", "abandoned", act="abandon"),
            *told("2", "abandoned", "reversed"),
            *told("2b", "succeeded"),
            *told("3", "succeeded"),
            *told("3c", "succeeded"),
            *told("4", "rejected"),
        ],
        wished={wish.his_no: wish for wish in wishes},
        cash=[
            Cash(his_no="2", bill=bill(2), minor=10000, number="Q-2"),
            Cash(his_no="2b", bill=bill(2), minor=-8000, number="R-2"),
        ],
        held=[held("1", "settled"), held("2", "reversed"), held("2b", "settled"), held("3", "cancelled")],
        ours={row.his_no: row for row in rows},
        final={his_no: {"verdict": verdict, "acknowledged": his_no == "1"} for his_no, verdict in endings.items()},
        bills={bill(2): shown(10000, 8000, self_paid=10000, refunded=8000, net=2000), bill(4): shown(0, 0)},
        abnormal={"HOSP-A": [{"kind": "unacknowledged", "his_no": "2b", "bill_no": "B-2", "amount_minor": 10000}]},
        posted={bill(1): settled, bill(2): settled, bill(3): Posted()},
    )


def with_row(facts: Facts, his_no: str, **changes: Any) -> Facts:
    """The same day with one of our transactions changed."""
    return replace(facts, ours={**facts.ours, his_no: replace(facts.ours[his_no], **changes)})


def with_held(facts: Facts, his_no: str, **changes: Any) -> Facts:
    """The same day with one settlement of the insurer's book changed."""
    return replace(facts, held=[replace(one, **changes) if one.his_no == his_no else one for one in facts.held])
