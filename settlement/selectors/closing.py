"""What a month of a book lacks before it is closed: a list to work off, and what forbids closing."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date

from django.db.models import F, Q, Sum

from core.row_security import EVERYTHING, seen_by
from settlement.models import BankEntry, Payment, SettlementLeg, Statement, StatementLine, SuspenseItem
from settlement.selectors.books import balances_until, payable_account
from settlement.selectors.statement_lines import days_bounds
from settlement.states import Direction, EntryOutcome, LegKind, LegState, LineAnswer, PaymentState

FOREVER = date(9999, 12, 31)
OPEN_PAYMENTS = (PaymentState.ARMED, PaymentState.SENT, PaymentState.IN_DOUBT)


@dataclass(frozen=True, slots=True)
class CloseItem:
    """One thing to look at. `count` of zero: nothing is left. `blocks`: the month is not closed while some is."""

    code: str
    text: str
    text_zh: str
    count: int
    amount_minor: int = 0
    blocks: bool = False


def month_days(month: date) -> tuple[date, date]:
    """First and last day of the month in which `month` lies."""
    return month.replace(day=1), month.replace(day=calendar.monthrange(month.year, month.month)[1])


def close_list(*, insurer_id: int, month: date, currency: str = "CNY") -> list[CloseItem]:
    """The list for one insurer's book, in the order in which it is worked off. The platform's to read."""
    first_day, last_day = month_days(month)
    with seen_by(EVERYTHING):
        return [
            _unread(last_day),
            _payments(last_day),
            _differs(insurer_id, currency),
            _suspense(insurer_id, currency),
            _unstated(insurer_id, currency, first_day, last_day),
            _disputed(insurer_id, currency),
            _overdue(insurer_id, currency, last_day),
        ]


def _unread(last_day: date) -> CloseItem:
    rows = BankEntry.objects.filter(direction=Direction.CREDIT, outcome=EntryOutcome.NEW, value_date__lte=last_day)
    text = "transfers that nobody has looked at"
    return CloseItem("transfers_unread", text, "未处理的到账流水", rows.count(), blocks=True)


def _payments(last_day: date) -> CloseItem:
    _, end = days_bounds(last_day, last_day)
    rows = Payment.objects.filter(state__in=OPEN_PAYMENTS, created_at__lt=end)
    total = rows.aggregate(total=Sum("amount_minor"))["total"] or 0
    return CloseItem("payments_open", "pay-outs without an end", "结果未明的付款", rows.count(), total, blocks=True)


def _differs(insurer_id: int, currency: str) -> CloseItem:
    """Legs and ledger hold the same, now: the insurers' open rests, and every pharmacy's."""
    balances = balances_until(insurer_id=insurer_id, currency=currency, until=FOREVER)
    open_legs = SettlementLeg.objects.filter(insurer_id=insurer_id, currency=currency).exclude(state=LegState.REVERSED)
    rests = open_legs.values("kind", "organisation_id").annotate(rest=Sum(F("amount_minor") - F("settled_minor")))
    owed = sum(row["rest"] for row in rests if row["kind"] == LegKind.FIRST)
    differences = [owed - balances.get("receivable", 0)]
    paid = {row["organisation_id"]: row["rest"] for row in rests if row["kind"] == LegKind.SECOND}
    chains = {int(code[9:]) for code in balances if code.startswith("payable:p") and code[9:].isdigit()}
    differences += [
        paid.get(chain, 0) + balances.get(payable_account(chain), 0) for chain in sorted(chains | set(paid))
    ]
    wrong = [one for one in differences if one]
    text = "accounts that differ from what is open by the legs"
    return CloseItem("legs_differ", text, "与结算款项不符的科目", len(wrong), sum(map(abs, wrong)), blocks=True)


def _suspense(insurer_id: int, currency: str) -> CloseItem:
    rows = SuspenseItem.objects.filter(book_insurer_id=insurer_id, currency=currency, closed_at__isnull=True)
    total = rows.aggregate(total=Sum("rest_minor"))["total"] or 0
    return CloseItem("in_suspense", "transfers in suspense", "暂记款项", rows.count(), total)


def _unstated(insurer_id: int, currency: str, first_day: date, last_day: date) -> CloseItem:
    """Counterparties with something of the month and no statement for it."""
    begin, end = days_bounds(first_day, last_day)
    legs = SettlementLeg.objects.filter(
        insurer_id=insurer_id, currency=currency, kind__in=(LegKind.FIRST, LegKind.SECOND)
    )
    active = legs.filter(Q(created_at__gte=begin, created_at__lt=end)).values_list("organisation_id", flat=True)
    stated = Statement.objects.filter(insurer_id=insurer_id, currency=currency, first_day=first_day)
    missing = set(active) - set(stated.values_list("organisation_id", flat=True))
    return CloseItem("statements_missing", "counterparties without a statement", "未生成对账单的往来单位", len(missing))


def _disputed(insurer_id: int, currency: str) -> CloseItem:
    lines = StatementLine.objects.filter(
        statement__insurer_id=insurer_id, statement__currency=currency, answer=LineAnswer.DISPUTED
    )
    total = lines.aggregate(total=Sum("amount_minor"))["total"] or 0
    return CloseItem("lines_disputed", "lines in dispute", "存在异议的明细", lines.count(), total)


def _overdue(insurer_id: int, currency: str, last_day: date) -> CloseItem:
    rows = SettlementLeg.objects.filter(
        insurer_id=insurer_id, currency=currency, kind=LegKind.FIRST, state=LegState.DUE, due_on__lte=last_day
    )
    total = rows.aggregate(total=Sum(F("amount_minor") - F("settled_minor")))["total"] or 0
    return CloseItem("collections_overdue", "what insurers owe and is overdue", "保险公司逾期应付", rows.count(), total)
