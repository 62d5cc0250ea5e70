"""Month-end: a month of a book is closed when nothing forbids it, and goes to the general ledger as vouchers."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from core.errors import Conflict
from core.money import EXPONENTS
from core.row_security import EVERYTHING, seen_by
from ledger.selectors import month_is_closed, postings_booked
from ledger.services import period_close
from settlement.selectors.books import book_with
from settlement.selectors.closing import CloseItem, close_list, month_days

COLUMNS = (
    *("voucher_no", "line_no", "posting_id", "booked_day", "value_date", "about", "kind", "account"),
    *("debit", "credit", "currency", "undoes", "evidence_id"),
)
CONTROL = "CONTROL"


class CloseForbidden(Conflict):
    code = "month_close_forbidden"
    title = "The month cannot be closed yet"
    detail = "{month}: {reasons}."
    detail_zh = "{month} 尚不能关账：{reasons_zh}。"
    fix = "Work off these items of the close list, then close the month."
    fix_zh = "请先处理关账清单中的上述事项。"


class MonthStillOpen(Conflict):
    code = "month_not_closed"
    title = "The month is not closed"
    detail = "Vouchers of {month} are given out when nothing can be added to it any more."
    detail_zh = "{month} 尚未关账，关账后方可导出凭证。"
    fix = "Close the month first."
    fix_zh = "请先关账。"


@dataclass(frozen=True, slots=True)
class VoucherFile:
    """The CSV with its control totals, minor units by currency; `sha256` of the content."""

    content: bytes
    postings: int
    debit_minor: dict[str, int]
    credit_minor: dict[str, int]
    sha256: str


def month_close(*, insurer_id: int, month: date, by: str, reason: str, now: datetime) -> list[CloseItem]:
    """Close the month of this insurer's book: nothing is booked in it any more. Again: changes nothing.

    Returns the list as it stood. Raises CloseForbidden, PeriodNotOver.
    """
    _, last_day = month_days(month)
    with seen_by(EVERYTHING):
        items = close_list(insurer_id=insurer_id, month=month)
        hindering = [item for item in items if item.blocks and item.count]
        if hindering:
            raise CloseForbidden(
                month=f"{month:%Y-%m}",
                reasons="; ".join(f"{item.count} {item.text}" for item in hindering),
                reasons_zh="；".join(f"{item.text_zh} {item.count} 项" for item in hindering),
            )
        period_close(
            book=book_with(insurer_id=insurer_id), day=last_day, whole_month=True, by=by, reason=reason, now=now
        )
    return items


def vouchers_export(*, insurer_id: int, month: date) -> VoucherFile:
    """Every posting of a closed month as CSV, one line per leg, control totals at the end. The same month: the same.

    Raises MonthStillOpen.
    """
    first_day, last_day = month_days(month)
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    debits: dict[str, int] = defaultdict(int)
    credits: dict[str, int] = defaultdict(int)
    postings = lines = 0
    with seen_by(EVERYTHING):
        book = book_with(insurer_id=insurer_id)
        about = {
            "organisation_id": book.organisation_id,
            "insurer_organisation_id": insurer_id,
            "kind": str(book.kind),
        }
        if not month_is_closed(**about, last_day=last_day):  # type: ignore[arg-type]
            raise MonthStillOpen(month=f"{month:%Y-%m}")
        for posting in postings_booked(**about, first_day=first_day, last_day=last_day):  # type: ignore[arg-type]
            postings += 1
            for leg in sorted(posting.legs.all(), key=lambda leg: leg.line_no):
                lines += 1
                side = debits if leg.side == "D" else credits
                side[leg.currency] += leg.amount_minor
                amount = _major(leg.amount_minor, leg.currency)
                amounts = (amount, "") if leg.side == "D" else ("", amount)
                writer.writerow(
                    (
                        f"{month:%Y%m}-{postings:06d}",
                        leg.line_no,
                        posting.pk,
                        posting.booked_day,
                        posting.value_date,
                        f"{posting.cause_kind} {posting.cause_id}",
                        posting.kind,
                        leg.account.code,
                        *amounts,
                        leg.currency,
                        posting.reverses_id or "",
                        posting.evidence_id,
                    )
                )
    for currency in sorted(debits | credits):
        totals = (_major(debits[currency], currency), _major(credits[currency], currency))
        writer.writerow((CONTROL, lines, "", first_day, last_day, "", postings, "", *totals, currency, "", ""))
    content = target.getvalue().encode()
    return VoucherFile(content, postings, dict(debits), dict(credits), hashlib.sha256(content).hexdigest())


def _major(minor: int, currency: str) -> str:
    exponent = EXPONENTS[currency]
    return f"{Decimal(minor).scaleb(-exponent):.{exponent}f}"
