"""A counterparty confirms or disputes its statement line by line, and takes it away as XLSX and PDF."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

import pikepdf
import pypdfium2
import pytest
from python_calamine import CalamineWorkbook

from core.errors import NotFound
from core.ids import new_trace_id
from settlement.models import SettlementLeg, Statement, StatementLine
from settlement.selectors.statements import statement_lines
from settlement.services.fees import fees_charge
from settlement.services.statement_answers import AnswerNeedsReason, LineAnswered, line_confirm, line_dispute
from settlement.services.statement_documents import statement_pdf, statement_workbook
from settlement.services.statements import statement_make
from settlement.states import CounterpartyRole
from tests.roles import as_role
from tests.settlement.books import (
    IN_DECEMBER,
    IN_NOVEMBER,
    IN_OCTOBER,
    NOVEMBER,
    Trade,
    first_leg,
    paid_out,
    second_leg,
    taken_back,
    trade,
)

__all__ = ["trade"]


def stated(trade: Trade, role: CounterpartyRole = CounterpartyRole.PHARMACY) -> Statement:
    fees_charge(since=IN_OCTOBER - timedelta(days=1), by="beat", now=IN_NOVEMBER)
    return statement_make(party=trade.party(role), month=NOVEMBER, by="li", now=IN_DECEMBER, trace_id=new_trace_id())


def disputed(trade: Trade, statement: Statement, line_no: int, reason: str = "another price") -> Statement:
    with as_role("app"):
        return line_dispute(
            statement_no=statement.statement_no,
            line_no=line_no,
            reason=reason,
            seen=[statement.organisation_id],
            by="chain",
            now=IN_DECEMBER,
        )


def confirmed(statement: Statement, line_nos: list[int] | None = None) -> Statement:
    with as_role("app"):
        return line_confirm(
            statement_no=statement.statement_no,
            line_nos=line_nos,
            seen=[statement.organisation_id],
            by="chain",
            now=IN_DECEMBER,
        )


def line_of(statement: Statement, kind: str) -> StatementLine:
    return next(line for line in statement_lines(statement=statement) if line.kind == kind)


def test_all_lines_confirmed_is_a_statement_confirmed(trade: Trade) -> None:
    second_leg(trade, 400_000, at=IN_NOVEMBER)
    statement = stated(trade)
    assert confirmed(statement, [1]).state == "ISSUED"
    assert confirmed(statement).state == "CONFIRMED"
    assert {line.answer for line in statement_lines(statement=statement)} == {"CONFIRMED"}


def test_a_disputed_line_disputes_its_leg_until_it_is_confirmed(trade: Trade) -> None:
    leg = second_leg(trade, 400_000, at=IN_NOVEMBER)
    statement = stated(trade)
    number = line_of(statement, "LEG").line_no
    assert disputed(trade, statement, number).state == "DISPUTED"
    leg = SettlementLeg.objects.get(pk=leg.pk)
    assert (leg.state, leg.state_reason) == ("DISPUTED", "another price")
    with pytest.raises(LineAnswered):
        disputed(trade, statement, number)
    assert confirmed(statement).state == "DISPUTED"
    assert confirmed(statement, [number]).state == "CONFIRMED"
    assert SettlementLeg.objects.get(pk=leg.pk).state == "DUE"


def test_a_fee_is_disputed_without_touching_a_leg(trade: Trade) -> None:
    leg = second_leg(trade, 400_000, at=IN_NOVEMBER)
    statement = stated(trade)
    assert disputed(trade, statement, line_of(statement, "FEE").line_no).state == "DISPUTED"
    assert SettlementLeg.objects.get(pk=leg.pk).state == "DUE"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 301])
def test_a_dispute_without_a_reason_is_refused(trade: Trade, reason: str) -> None:
    second_leg(trade, 400_000, at=IN_NOVEMBER)
    statement = stated(trade)
    with pytest.raises(AnswerNeedsReason):
        disputed(trade, statement, 1, reason)
    assert statement_lines(statement=statement)[0].answer == "OPEN"


def test_strangers_answer_nothing_and_take_nothing_away(trade: Trade) -> None:
    second_leg(trade, 400_000, at=IN_NOVEMBER)
    statement = stated(trade)
    stranger = {"statement_no": statement.statement_no, "seen": [trade.stranger.pk]}
    with as_role("app"):
        with pytest.raises(NotFound):
            line_confirm(**stranger, line_nos=None, by="x", now=IN_DECEMBER)  # type: ignore[arg-type]
        with pytest.raises(NotFound):
            line_dispute(**stranger, line_no=1, reason="x", by="x", now=IN_DECEMBER)  # type: ignore[arg-type]
        with pytest.raises(NotFound):
            statement_workbook(**stranger)  # type: ignore[arg-type]
        with pytest.raises(NotFound):
            statement_pdf(**stranger)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        confirmed(statement, [99])


# The documents.


def full(trade: Trade) -> Statement:
    second_leg(trade, 123_456_789, at=IN_NOVEMBER)
    back = second_leg(trade, 100_001, at=IN_NOVEMBER)
    paid_out(trade, 1_000_000, at=IN_NOVEMBER)
    fees_charge(since=IN_OCTOBER - timedelta(days=1), by="beat", now=IN_NOVEMBER)
    taken_back(trade, back, at=IN_NOVEMBER)
    return stated(trade)


def cells(content: bytes) -> list[list[Any]]:
    return [list(row) for row in CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()]


SUM_NAMES = ("opening", "gross", "fee", "vat", "net", "set_off", "paid", "other", "closing")


def test_the_workbook_says_the_same_to_the_cent(trade: Trade) -> None:
    statement = full(trade)
    content = statement_workbook(statement_no=statement.statement_no, seen=[trade.chain.pk])
    rows = cells(content)
    lines = [row for row in rows if isinstance(row[0], float)]
    stored = statement_lines(statement=statement)
    assert [round(row[5] * 100) for row in lines] == [line.amount_minor for line in stored]
    assert [row[3] for row in lines] == [line.reference for line in stored]
    sums = [round(row[5] * 100) for row in rows if not isinstance(row[0], float) and isinstance(row[5], float)]
    assert sums == [getattr(statement, f"{name}_minor") for name in SUM_NAMES]
    assert sums[0] + sum(round(row[5] * 100) for row in lines) == sums[-1]
    facts = {row[0]: row[1] for row in rows[:6]}
    assert facts["往来单位 Counterparty"] == "仁济堂大药房连锁 · The CHAIN-A"


def test_what_a_counterparty_typed_is_no_formula_in_the_workbook(trade: Trade) -> None:
    statement = full(trade)
    trade.chain.name_zh = '=HYPERLINK("http://evil")'
    trade.chain.save(update_fields=["name_zh"])
    content = statement_workbook(statement_no=statement.statement_no, seen=[trade.chain.pk])
    rows = cells(content)
    assert str(rows[1][1]).startswith("=HYPERLINK")
    sheet = zipfile.ZipFile(io.BytesIO(content)).read("xl/worksheets/sheet1.xml")
    assert b"<f>" not in sheet


needs_pdf = pytest.mark.skipif(find_spec("weasyprint") is None, reason="the extra `pdf` is not installed")


@needs_pdf
def test_the_pdf_says_the_same_with_chinese_that_can_be_read(trade: Trade) -> None:
    statement = full(trade)
    content = statement_pdf(statement_no=statement.statement_no, seen=[trade.chain.pk])
    document = pypdfium2.PdfDocument(content)
    text = "\n".join(page.get_textpage().get_text_range() for page in document)
    for words in ("对账单", "仁济堂大药房连锁", "期末余额", "服务费", statement.statement_no):
        assert words in text
    amounts = [round(float(one) * 100) for one in re.findall(r"-?\d+\.\d{2}(?!\d)", text)]
    stored = [line.amount_minor for line in statement_lines(statement=statement)]
    assert amounts[: len(stored)] == stored
    assert amounts[len(stored) :] == [getattr(statement, f"{name}_minor") for name in SUM_NAMES]
    document.close()


@needs_pdf
def test_the_fonts_of_the_pdf_are_inside_it(trade: Trade) -> None:
    first_leg(trade, 400_000, at=IN_NOVEMBER)
    statement = stated(trade, CounterpartyRole.INSURER)
    content = statement_pdf(statement_no=statement.statement_no, seen=[trade.insurer.pk])
    with pikepdf.open(io.BytesIO(content)) as document:
        fonts = [one for one in document.objects if isinstance(one, pikepdf.Dictionary) and "/FontName" in one]
        assert fonts
        for font in fonts:
            assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(font.keys())
