"""Our book of an interface, held against the insurer's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Subquery

from core.row_security import EVERYTHING
from exchange.models import Call, InsurerInterface, Transaction
from exchange.states import OPEN, CallKind, OperationClass, TransactionState
from ledger.selectors import trial_balance

AMOUNTS = ("total_minor", "fund_minor", "account_minor", "cash_minor")


@dataclass(frozen=True, slots=True)
class BookComparison:
    """`differences` are sentences; `in_doubt` are settlements of theirs whose wish has not ended here. Minor units."""

    settled: int
    receivable_minor: int
    in_doubt: tuple[str, ...]
    differences: tuple[str, ...]


def books_compare(*, interface_code: str, settlements: Iterable[Mapping[str, Any]]) -> BookComparison:
    """Hold the insurer's settlements ({msgid, state, total_minor, ...}) against ours, and ours against the ledger.

    Role worker: it looks at all hospitals. A settlement of theirs may be missing here only while its wish is open.
    """
    theirs = {row["msgid"]: row for row in settlements if row["state"] == "settled"}
    ours, unknown = _settled_by_msgid(interface_code), _open_by_msgid(interface_code)
    differences = [f"{msgid} is settled there and not here" for msgid in theirs.keys() - ours.keys() - unknown.keys()]
    differences += [f"{msgid} is settled here and not there" for msgid in ours.keys() - theirs.keys()]
    for msgid in ours.keys() & theirs.keys():
        differences += [
            f"{msgid}: {name} is {theirs[msgid][name]} there and {getattr(ours[msgid], name)} here"
            for name in AMOUNTS
            if theirs[msgid][name] != getattr(ours[msgid], name)
        ]
    owed = sum((row.fund_minor or 0) + (row.account_minor or 0) for row in ours.values())
    receivable = _receivable_minor(interface_code)
    if receivable != owed:
        differences.append(f"the ledger holds {receivable} as receivable, the transactions {owed}")
    in_doubt = tuple(sorted(unknown[msgid] for msgid in unknown.keys() & theirs.keys()))
    return BookComparison(len(ours), receivable, in_doubt, tuple(sorted(differences)))


def _settled_by_msgid(interface_code: str) -> dict[str, Transaction]:
    calls = Call.objects.filter(transaction=OuterRef("pk"), kind=CallKind.SETTLE).order_by("-armed_at")
    rows = Transaction.objects.filter(
        interface__code=interface_code, operation_class=OperationClass.MOVES, state=TransactionState.SUCCEEDED
    ).annotate(settled_by=Subquery(calls.values("msgid")[:1]))
    return {row.settled_by: row for row in rows}


def _open_by_msgid(interface_code: str) -> dict[str, str]:
    calls = Call.objects.filter(interface__code=interface_code, kind=CallKind.SETTLE, transaction__state__in=OPEN)
    return dict(calls.values_list("msgid", "transaction__his_no"))


def _receivable_minor(interface_code: str) -> int:
    """What the memo books say the interface's insurer owes, over all hospitals."""
    insurer_id = InsurerInterface.objects.values_list("insurer_id", flat=True).get(code=interface_code)
    rows = trial_balance(organisations=EVERYTHING, insurer_organisation_id=insurer_id)
    return sum(row.balance_minor for row in rows if row.account.startswith("receivable:"))
