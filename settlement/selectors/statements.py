"""Statements for those whom they concern, and for the platform."""

from __future__ import annotations

from django.db.models import QuerySet

from accounts.selectors import Seen
from settlement.models import Statement, StatementLine


def statements_visible(*, seen: Seen) -> QuerySet[Statement]:
    """The caller's own statements, the latest month first; all for the platform."""
    rows = Statement.objects.select_related("organisation", "insurer").order_by("-first_day", "-statement_no")
    return rows if isinstance(seen, str) else rows.filter(organisation_id__in=seen)


def statement_visible(*, statement_no: str, seen: Seen) -> Statement | None:
    """The statement of that number, if it is one of the caller's."""
    return statements_visible(seen=seen).filter(statement_no=statement_no).first()


def statement_lines(*, statement: Statement) -> list[StatementLine]:
    """Its lines in their order."""
    return list(StatementLine.objects.filter(statement=statement).select_related("leg").order_by("line_no"))
