"""What a counterparty says to its statement: each line confirmed, or disputed with a reason."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.selectors import Seen
from core.errors import Conflict, NotFound, Problem
from core.row_security import EVERYTHING, seen_by
from core.transitions import write_many
from settlement.models import Statement, StatementLine
from settlement.selectors.statements import statement_lines, statement_visible
from settlement.services.legs import leg_dispute, leg_dispute_end
from settlement.states import LegState, LineAnswer, StatementState

REASON_AT_MOST = 300


class AnswerNeedsReason(Problem):
    code = "dispute_needs_a_reason"
    status = 422
    title = "Say why"
    detail = "A line is disputed with a reason of at most {limit} characters."
    detail_zh = "对明细提出异议须填写原因，最多 {limit} 个字符。"
    fix = "Add the reason."
    fix_zh = "请填写原因。"


class LineAnswered(Conflict):
    code = "statement_line_answered"
    title = "This line was answered before"
    detail = "Line {line_no} of {statement_no} is {answer}."
    detail_zh = "对账单 {statement_no} 第 {line_no} 行已为 {answer}。"
    fix = "A dispute is ended by confirming the line; a confirmed line stays confirmed."
    fix_zh = "确认该行即可结束异议；已确认的行不再更改。"


def line_confirm(*, statement_no: str, line_nos: list[int] | None, seen: Seen, by: str, now: datetime) -> Statement:
    """The counterparty agrees with these lines, or with all that are open; a dispute about them is over.

    Raises NotFound for a statement or line that the caller may not see.
    """
    with seen_by(EVERYTHING), transaction.atomic():
        statement = _locked(statement_no, seen)
        for line in _asked(statement, line_nos):
            if line.answer == LineAnswer.DISPUTED and line.leg is not None and line.leg.state == LegState.DISPUTED:
                leg_dispute_end(
                    leg_id=line.leg.pk,
                    reason=f"{statement_no} line {line.line_no} confirmed",
                    by=by,
                    now=now,
                    trace_id=statement.trace_id,
                )
            if line.answer != LineAnswer.CONFIRMED:
                _answer(line, LineAnswer.CONFIRMED, "", by=by, now=now)
        return _moved(statement, by=by, now=now)


def line_dispute(*, statement_no: str, line_no: int, reason: str, seen: Seen, by: str, now: datetime) -> Statement:
    """The counterparty does not agree with a line: its leg is disputed too, where it has one that is open.

    Raises AnswerNeedsReason, LineAnswered, NotFound.
    """
    if not 0 < len(reason.strip()) <= REASON_AT_MOST:
        raise AnswerNeedsReason(limit=REASON_AT_MOST)
    with seen_by(EVERYTHING), transaction.atomic():
        statement = _locked(statement_no, seen)
        (line,) = _asked(statement, [line_no])
        if line.answer != LineAnswer.OPEN:
            raise LineAnswered(line_no=line_no, statement_no=statement_no, answer=line.answer)
        if line.leg is not None and line.leg.state in (LegState.DUE, LegState.APPROVED, LegState.PAID):
            leg_dispute(leg_id=line.leg.pk, reason=reason.strip(), by=by, now=now, trace_id=statement.trace_id)
        _answer(line, LineAnswer.DISPUTED, reason.strip(), by=by, now=now)
        return _moved(statement, by=by, now=now)


def _locked(statement_no: str, seen: Seen) -> Statement:
    """The statement, if it is the caller's, held against other answers."""
    found = statement_visible(statement_no=statement_no, seen=seen)
    if found is None:
        raise NotFound(noun="statement", noun_zh="对账单", key=statement_no[:40])
    return Statement.objects.select_for_update(no_key=True).get(pk=found.pk)


def _asked(statement: Statement, line_nos: list[int] | None) -> list[StatementLine]:
    lines = statement_lines(statement=statement)
    if line_nos is None:
        return [line for line in lines if line.answer == LineAnswer.OPEN]
    by_no = {line.line_no: line for line in lines}
    for number in line_nos:
        if number not in by_no:
            raise NotFound(noun="line", noun_zh="明细行", key=number)
    return [by_no[number] for number in dict.fromkeys(line_nos)]


def _answer(line: StatementLine, answer: LineAnswer, reason: str, *, by: str, now: datetime) -> None:
    line.answer, line.answer_reason, line.answered_at, line.answered_by = answer, reason, now, by
    line.save(update_fields=["answer", "answer_reason", "answered_at", "answered_by"])


def _moved(statement: Statement, *, by: str, now: datetime) -> Statement:
    """Bring the statement's own state to what its lines say."""
    answers = set(StatementLine.objects.filter(statement=statement).values_list("answer", flat=True))
    if LineAnswer.DISPUTED in answers and statement.state == StatementState.ISSUED:
        statement.dispute()
    elif answers <= {LineAnswer.CONFIRMED} and statement.state != StatementState.CONFIRMED:
        statement.confirm()
    else:
        return statement
    statement.moved(now=now, by=by)
    write_many([statement], fields=["state"])
    return statement
