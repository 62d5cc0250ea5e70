"""Remittance advices: what an insurer says its transfers are for, as a file or through the interface. Taken once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from core.errors import Conflict, Problem
from core.ids import new_trace_id, uuid7
from core.money import EXPONENTS, LARGEST_MINOR
from core.row_security import EVERYTHING, seen_by
from registry.policy_files import TableRow, rows_read
from settlement.models import AdviceLine, BankEntry, RemittanceAdvice, SuspenseItem
from settlement.services.matching import advice_apply
from settlement.services.suspense import entry_lock, rest_note

HEADER = ("advice_no", "reference", "currency", "total", "leg_no", "amount")
NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,39}")
LINES_AT_MOST = 5_000


class AdviceInvalid(Problem):
    code = "advice_invalid"
    status = 422
    title = "The advice cannot be read"
    detail = "{place}: {fault}"
    detail_zh = "汇款通知无法读取。{place}：{fault}"
    fix = "Correct that place and send the whole advice again; nothing of it was stored."
    fix_zh = "请更正该处后重新提交整份通知；本次未保存任何内容。"


class AdviceTaken(Conflict):
    code = "advice_taken"
    title = "This advice was taken before"
    detail = "Advice {advice_no} was taken on {taken_at}; its transfer counts once."
    detail_zh = "汇款通知 {advice_no} 已于 {taken_at} 接收，不会重复核销。"
    fix = "Nothing needs to be done. For another transfer send an advice with another number."
    fix_zh = "无需处理。其他汇款请使用新的通知编号。"


@dataclass(frozen=True, slots=True)
class AdvisedLine:
    """A negative amount: what was paid for this leg before is kept back."""

    leg_no: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class AdviceDraft:
    """`total_minor`: the sum of all lines, and so of the transfer. `reference`: the transfer's, where it is known."""

    advice_no: str
    reference: str
    currency: str
    total_minor: int
    lines: Sequence[AdvisedLine]


def advice_take(
    *, organisation_id: int, draft: AdviceDraft, content: bytes = b"", by: str, now: datetime
) -> RemittanceAdvice:
    """Store an advice of this insurer whole, and match its transfer if that lies in suspense already.

    `content` is the file it came in. Raises AdviceInvalid, AdviceTaken.
    """
    _check(draft)
    canonical = json.dumps([organisation_id, asdict(draft)], sort_keys=True).encode()
    digest = hashlib.sha256(content or canonical).hexdigest()
    with seen_by(EVERYTHING):
        known = RemittanceAdvice.objects.filter(file_sha256=digest).first()
        known = (
            known or RemittanceAdvice.objects.filter(organisation_id=organisation_id, advice_no=draft.advice_no).first()
        )
        if known is not None:
            raise AdviceTaken(advice_no=known.advice_no, taken_at=known.received_at.isoformat(timespec="seconds"))
        advice = RemittanceAdvice.objects.create(
            id=uuid7(now),
            organisation_id=organisation_id,
            advice_no=draft.advice_no,
            reference=draft.reference,
            currency=draft.currency,
            total_minor=draft.total_minor,
            file_sha256=digest,
            received_at=now,
            received_by=by,
        )
        AdviceLine.objects.bulk_create(
            AdviceLine(
                id=uuid7(now),
                advice=advice,
                organisation_id=organisation_id,
                line_no=number,
                leg_no=line.leg_no,
                amount_minor=line.amount_minor,
            )
            for number, line in enumerate(draft.lines, start=1)
        )
        _late(advice, now=now)
    return advice


def advice_file_read(*, file_name: str, content: bytes) -> AdviceDraft:
    """An XLSX or CSV file with the columns HEADER, the first four the same in every row; amounts in major units.

    Raises AdviceInvalid, FileRefused.
    """
    header, *rows = rows_read(file_name=file_name, content=content)
    names = [str(cell).strip().lower() for cell in header.cells]
    for name in HEADER:
        if names.count(name) != 1:
            raise AdviceInvalid(place="header", fault=f"needs the column {name} once")
    at = {name: names.index(name) for name in HEADER}
    first = {name: _cell(rows[0], at[name]) for name in HEADER[:4]}
    lines = []
    for row in rows:
        for name, value in first.items():
            if _cell(row, at[name]) != value:
                raise AdviceInvalid(place=f"row {row.number}", fault=f"another {name} than the first row")
        amount = _minor(_cell(row, at["amount"]), first["currency"], f"row {row.number}, amount")
        lines.append(AdvisedLine(_cell(row, at["leg_no"]), amount))
    total = _minor(first["total"], first["currency"], "total")
    return AdviceDraft(first["advice_no"], first["reference"], first["currency"], total, lines)


def _late(advice: RemittanceAdvice, *, now: datetime) -> None:
    """The transfer came first: what of it was matched to nothing yet is matched now."""
    if not advice.reference:
        return
    waiting = SuspenseItem.objects.filter(closed_at__isnull=True, entry__bank_reference=advice.reference)
    entry_ids = list(waiting.values_list("entry_id", flat=True)[:2])
    if len(entry_ids) != 1:
        return
    entry: BankEntry = entry_lock(entry_ids[0])
    if entry.allocated_minor == 0:
        rest_note(entry, advice_apply(advice, entry, now=now, trace_id=new_trace_id()), now=now)


def _check(draft: AdviceDraft) -> None:
    if not NUMBER.fullmatch(draft.advice_no):
        raise AdviceInvalid(place="advice_no", fault="at most 40 letters, digits, points and dashes")
    if draft.currency not in EXPONENTS:
        raise AdviceInvalid(place="currency", fault="a currency that is not settled here")
    if len(draft.reference) > 70:
        raise AdviceInvalid(place="reference", fault="at most 70 characters")
    _lines_check(draft)
    if sum(line.amount_minor for line in draft.lines) != draft.total_minor:
        raise AdviceInvalid(place="total", fault="is not the sum of the lines")
    if not 0 < draft.total_minor <= LARGEST_MINOR:
        raise AdviceInvalid(place="total", fault="a transfer is above zero")


def _lines_check(draft: AdviceDraft) -> None:
    if not 0 < len(draft.lines) <= LINES_AT_MOST:
        raise AdviceInvalid(place="lines", fault=f"between 1 and {LINES_AT_MOST}")
    for number, line in enumerate(draft.lines, start=1):
        if not NUMBER.fullmatch(line.leg_no):
            raise AdviceInvalid(place=f"line {number}", fault="no number of a settlement leg")
        if not 0 < abs(line.amount_minor) <= LARGEST_MINOR:
            raise AdviceInvalid(place=f"line {number}", fault="an amount other than zero is needed")
    if len({line.leg_no for line in draft.lines}) != len(draft.lines):
        raise AdviceInvalid(place="lines", fault="a leg is named twice")


def _cell(row: TableRow, at: int) -> str:
    if at in row.formulas:
        raise AdviceInvalid(place=f"row {row.number}", fault="holds a formula")
    value = row.cells[at] if at < len(row.cells) else ""
    # A spreadsheet holds a whole number as 1000.0.
    text = repr(value) if isinstance(value, float) else str(value)
    return text.strip()


def _minor(text: str, currency: str, place: str) -> int:
    """An amount in major units as minor ones: no more decimals than the currency has."""
    exponent = EXPONENTS.get(currency)
    if exponent is None:
        raise AdviceInvalid(place="currency", fault="a currency that is not settled here")
    try:
        exact = Decimal(text).scaleb(exponent)
    except InvalidOperation:
        raise AdviceInvalid(place=place, fault="no amount") from None
    if not exact.is_finite() or abs(exact) > LARGEST_MINOR or exact != exact.to_integral_value():
        raise AdviceInvalid(place=place, fault=f"no amount with at most {exponent} decimals")
    return int(exact)
