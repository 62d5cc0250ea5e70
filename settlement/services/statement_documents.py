"""A statement to take away: a workbook and a PDF with the same lines and sums, in Chinese and English."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import xlsxwriter
from django.template.loader import render_to_string

from accounts.selectors import Seen
from core.errors import NotFound
from core.money import EXPONENTS
from core.pdf import FONTS, pdf_of
from core.row_security import EVERYTHING, seen_by
from settlement.models import Statement, StatementLine
from settlement.selectors.statements import statement_lines, statement_visible
from settlement.states import CounterpartyRole, StatementLineKind

KINDS: dict[str, tuple[str, str]] = {
    StatementLineKind.LEG: ("Owed for a claim", "理赔结算款"),
    StatementLineKind.LEG_BACK: ("Owed no more", "冲回"),
    StatementLineKind.FEE: ("Fee", "服务费"),
    StatementLineKind.VAT: ("VAT", "增值税"),
    StatementLineKind.SET_OFF: ("Set off", "抵扣"),
    StatementLineKind.PAYMENT: ("Payment", "收付款"),
    StatementLineKind.OTHER: ("Other", "其他"),
}
MEANINGS: dict[str, tuple[str, str]] = {
    CounterpartyRole.INSURER: (
        "Positive: owed by the insurer to the platform. Fees are stated apart and are no part of an advance.",
        "正数为保险公司应付平台款项；服务费单独列示，不计入垫付款。",
    ),
    CounterpartyRole.PHARMACY: (
        "Positive: owed by the platform to the pharmacy. Fees and what is set off are stated apart.",
        "正数为平台应付药房款项；服务费与抵扣单独列示。",
    ),
}
SUMS: Sequence[tuple[str, str, str]] = (
    ("opening_minor", "Opening", "期初余额"),
    ("gross_minor", "Gross", "结算总额"),
    ("fee_minor", "Fees", "服务费"),
    ("vat_minor", "VAT", "增值税"),
    ("net_minor", "Net", "净额"),
    ("set_off_minor", "Set off", "抵扣"),
    ("paid_minor", "Paid", "收付款"),
    ("other_minor", "Other", "其他"),
    ("closing_minor", "Closing", "期末余额"),
)
HEADER = ("行号 No.", "日期 Day", "类型 Kind", "编号 Reference", "理赔号 Claim", "金额 Amount", "答复 Answer")
STYLE = f"""
@page{{size:A4;margin:15mm;@bottom-right{{content:counter(page) "/" counter(pages);font:8pt {FONTS}}}}}
body{{font:9pt/1.4 {FONTS};color:#000}}
h1{{font-size:15pt}} h1 span,dt span{{font-weight:400;font-size:8pt}}
dl{{display:grid;grid-template-columns:35mm auto;gap:1mm 3mm}} dd{{margin:0}}
table{{border-collapse:collapse;width:100%}}
th,td{{border-bottom:.3pt solid #888;padding:1mm;text-align:left;overflow-wrap:anywhere}}
.sum{{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}}
.sums{{width:90mm;margin:5mm 0 5mm auto}}
thead{{display:table-header-group}}
"""


@dataclass(frozen=True, slots=True)
class SheetRow:
    line_no: int
    day: str
    kind: str
    kind_zh: str
    reference: str
    claim_no: str
    amount: str
    answer: str


@dataclass(frozen=True, slots=True)
class SheetSum:
    label: str
    label_zh: str
    amount: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """What both documents show; amounts as text in major units."""

    statement_no: str
    counterparty: str
    counterparty_zh: str
    insurer: str
    insurer_zh: str
    first_day: str
    last_day: str
    currency: str
    rows: tuple[SheetRow, ...]
    sums: tuple[SheetSum, ...]
    meaning: str
    meaning_zh: str


def statement_workbook(*, statement_no: str, seen: Seen) -> bytes:
    """An XLSX file: amounts are numbers, nothing in it is a formula. Raises NotFound."""
    sheet = _sheet(statement_no, seen)
    target = io.BytesIO()
    # What a counterparty typed is text for a spreadsheet too, whatever it begins with.
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(target, options) as book:
        money = book.add_format({"num_format": "#,##0.00" if EXPONENTS[sheet.currency] == 2 else "#,##0"})
        head = book.add_format({"bold": True})
        page = book.add_worksheet(sheet.statement_no[:31])
        place = 0
        for label, value in _facts(sheet):
            page.write_string(place, 0, label, head)
            page.write_string(place, 1, value)
            place += 1
        place += 1
        for column, title in enumerate(HEADER):
            page.write_string(place, column, title, head)
        for row in sheet.rows:
            place += 1
            page.write_number(place, 0, row.line_no)
            texts = (row.day, f"{row.kind_zh} {row.kind}", row.reference, row.claim_no)
            for column, text in enumerate(texts, start=1):
                page.write_string(place, column, text)
            page.write_number(place, 5, Decimal(row.amount), money)
            page.write_string(place, 6, row.answer)
        place += 2
        for one in sheet.sums:
            page.write_string(place, 4, f"{one.label_zh} {one.label}", head)
            page.write_number(place, 5, Decimal(one.amount), money)
            place += 1
        page.set_column(1, 6, 22)
    return target.getvalue()


def statement_pdf(*, statement_no: str, seen: Seen) -> bytes:
    """The same as PDF with its fonts embedded. Raises ChineseFontMissing, NotFound, PdfNotInstalled."""
    sheet = _sheet(statement_no, seen)
    return pdf_of(render_to_string("shared/statement_print.html", {"sheet": sheet, "style": STYLE}))


def _sheet(statement_no: str, seen: Seen) -> Sheet:
    with seen_by(EVERYTHING):
        statement = statement_visible(statement_no=statement_no, seen=seen)
        if statement is None:
            raise NotFound(noun="statement", noun_zh="对账单", key=statement_no[:40])
        rows = tuple(_row(line, statement.currency) for line in statement_lines(statement=statement))
        sums = tuple(
            SheetSum(label, label_zh, _major(getattr(statement, name), statement.currency))
            for name, label, label_zh in SUMS
        )
        return _filled(statement, rows, sums)


def _filled(statement: Statement, rows: tuple[SheetRow, ...], sums: tuple[SheetSum, ...]) -> Sheet:
    meaning, meaning_zh = MEANINGS[statement.role]
    return Sheet(
        statement_no=statement.statement_no,
        counterparty=statement.organisation.name,
        counterparty_zh=statement.organisation.name_zh,
        insurer=statement.insurer.name,
        insurer_zh=statement.insurer.name_zh,
        first_day=statement.first_day.isoformat(),
        last_day=statement.last_day.isoformat(),
        currency=statement.currency,
        rows=rows,
        sums=sums,
        meaning=meaning,
        meaning_zh=meaning_zh,
    )


def _row(line: StatementLine, currency: str) -> SheetRow:
    kind, kind_zh = KINDS[line.kind]
    return SheetRow(
        line_no=line.line_no,
        day=line.day.isoformat(),
        kind=kind,
        kind_zh=kind_zh,
        reference=line.reference,
        claim_no=line.claim_no,
        amount=_major(line.amount_minor, currency),
        answer=line.answer,
    )


def _facts(sheet: Sheet) -> list[tuple[str, str]]:
    return [
        ("对账单 Statement", sheet.statement_no),
        ("往来单位 Counterparty", f"{sheet.counterparty_zh} · {sheet.counterparty}"),
        ("承保机构 Insurer", f"{sheet.insurer_zh} · {sheet.insurer}"),
        ("期间 Period", f"{sheet.first_day} – {sheet.last_day}"),
        ("币种 Currency", sheet.currency),
        ("说明 Meaning", f"{sheet.meaning_zh} {sheet.meaning}"),
    ]


def _major(minor: int, currency: str) -> str:
    exponent = EXPONENTS[currency]
    return f"{Decimal(minor).scaleb(-exponent):.{exponent}f}"
