"""Statements: made for a month that is over, refused when they do not foot."""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta

from django.db import connection, transaction
from django.db.models import QuerySet

from core.errors import Conflict
from core.ids import uuid7
from core.row_security import EVERYTHING, seen_by
from settlement.models import Statement, StatementLine
from settlement.selectors.books import platform_day
from settlement.selectors.statement_lines import (
    Footing,
    LineDraft,
    Party,
    foot,
    ledger_says,
    lines_between,
    opening_before,
)

LINES_AT_MOST = 20_000


class MonthNotOver(Conflict):
    code = "statement_month_not_over"
    title = "The month is not over"
    detail = "A statement for {month} can be made from {from_day} on."
    detail_zh = "{month} 的对账单须在 {from_day} 及之后生成。"
    fix = "Make it when the month is over."
    fix_zh = "请在月末结束后生成。"


class NothingToState(Conflict):
    code = "statement_is_empty"
    title = "Nothing to state"
    detail = "{month} has no line, and nothing was open before it."
    detail_zh = "{month} 没有明细，且期初无余额。"
    fix = "No statement is needed."
    fix_zh = "无需生成对账单。"


class StatementDoesNotFoot(Conflict):
    code = "statement_does_not_foot"
    title = "Lines and ledger differ"
    detail = "The lines make {lines_minor} minor units at the end of {day}, the other side {ledger_minor} ({side})."
    detail_zh = "截至 {day} 明细合计 {lines_minor}（最小货币单位），另一方为 {ledger_minor}（{side}），两者不一致。"
    fix = "Nothing was made. Ask the money for the legs of the month and have the difference looked at."
    fix_zh = "未生成对账单。请用“问款”核对当月各笔结算并排查差异。"


class TooManyLines(Conflict):
    code = "statement_has_too_many_lines"
    title = "Too many lines for one statement"
    detail = "The month has {count} lines; a statement holds {limit}."
    detail_zh = "当月明细共 {count} 行，单份对账单最多 {limit} 行。"
    fix = "Have the limit raised by the operators."
    fix_zh = "请联系运维人员调整上限。"


def statement_make(*, party: Party, month: date, by: str, now: datetime, trace_id: str) -> Statement:
    """The party's statement of the month in which `month` lies. Made again it is the stored one.

    Raises MonthNotOver, NothingToState, StatementDoesNotFoot, TooManyLines.
    """
    first_day = month.replace(day=1)
    last_day = month.replace(day=calendar.monthrange(month.year, month.month)[1])
    with seen_by(EVERYTHING), transaction.atomic():
        if last_day >= platform_day(now):
            raise MonthNotOver(month=f"{month:%Y-%m}", from_day=last_day + timedelta(days=1))
        _lock(party)
        known = _of(party).filter(first_day=first_day).first()
        if known is not None:
            return known
        lines = lines_between(party=party, first_day=first_day, last_day=last_day)
        footing = foot(opening_before(party=party, day=first_day), lines)
        _check(party, footing, lines, first_day, last_day)
        return _write(party, footing, lines, first_day, last_day, by=by, now=now, trace_id=trace_id)


def _check(party: Party, footing: Footing, lines: list[LineDraft], first_day: date, last_day: date) -> None:
    month = f"{first_day:%Y-%m}"
    if not lines and not footing.opening_minor:
        raise NothingToState(month=month)
    if len(lines) > LINES_AT_MOST:
        raise TooManyLines(count=len(lines), limit=LINES_AT_MOST)
    before = _of(party).filter(last_day=first_day - timedelta(days=1)).first()
    if before is not None and before.closing_minor != footing.opening_minor:
        raise StatementDoesNotFoot(
            lines_minor=footing.opening_minor,
            day=before.last_day,
            ledger_minor=before.closing_minor,
            side=before.statement_no,
        )
    ours, theirs = ledger_says(party=party, last_day=last_day)
    if ours != theirs:
        raise StatementDoesNotFoot(lines_minor=ours, day=last_day, ledger_minor=theirs, side="ledger")


def _write(
    party: Party,
    footing: Footing,
    lines: list[LineDraft],
    first_day: date,
    last_day: date,
    *,
    by: str,
    now: datetime,
    trace_id: str,
) -> Statement:
    statement = Statement.objects.create(
        id=uuid7(now),
        statement_no=_number(first_day),
        role=party.role,
        organisation_id=party.organisation_id,
        insurer_id=party.insurer_id,
        currency=party.currency,
        first_day=first_day,
        last_day=last_day,
        opening_minor=footing.opening_minor,
        gross_minor=footing.gross_minor,
        fee_minor=footing.fee_minor,
        vat_minor=footing.vat_minor,
        net_minor=footing.net_minor,
        set_off_minor=footing.set_off_minor,
        paid_minor=footing.paid_minor,
        other_minor=footing.other_minor,
        closing_minor=footing.closing_minor,
        issued_at=now,
        issued_by=by,
        state_at=now,
        state_by=by,
        trace_id=trace_id,
    )
    StatementLine.objects.bulk_create(
        StatementLine(
            id=uuid7(now),
            statement=statement,
            organisation_id=party.organisation_id,
            line_no=number,
            kind=line.kind,
            day=line.day,
            reference=line.reference,
            claim_no=line.claim_no,
            leg_id=line.leg_id,
            fee_id=line.fee_id,
            cause_id=line.cause_id,
            amount_minor=line.amount_minor,
        )
        for number, line in enumerate(lines, start=1)
    )
    return statement


def _of(party: Party) -> QuerySet[Statement]:
    return Statement.objects.filter(
        role=party.role,
        organisation_id=party.organisation_id,
        insurer_id=party.insurer_id,
        currency=party.currency,
    )


def _number(first_day: date) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('settlement_statement_no')")
        return f"ST{first_day:%Y%m}-{cursor.fetchone()[0]:06d}"


def _lock(party: Party) -> None:
    """One at a time makes statements of a counterparty."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"settlement_statement {party.organisation_id} {party.insurer_id}"],
        )
