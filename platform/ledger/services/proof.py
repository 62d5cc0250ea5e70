"""The proof: every rule of the ledger recomputed from its rows. Each check is one statement, so it sees one moment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.conf import settings
from django.db import connection, transaction
from django.utils.module_loading import import_string

OFFENDERS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Check:
    """`offenders` are the first ids that break the rule, of `offending` in all; `examined` counts the rows."""

    name: str
    examined: int
    offending: int
    offenders: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return self.offending == 0


@dataclass(frozen=True, slots=True)
class Proof:
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        return all(check.holds for check in self.checks)


# Name of the rule -> (SELECT of what to examine, with `id` and `broken`). %(first_day)s bounds the postings looked at.
CHECKS = {
    "postings balance, with two legs or more": """
        SELECT p.id, coalesce(l.legs, 0) < 2 OR l.unbalanced OR l.lines <> l.legs AS broken
        FROM ledger_posting p LEFT JOIN (
            SELECT posting_id, sum(legs) AS legs, bool_or(difference <> 0) AS unbalanced, max(lines) AS lines
            FROM (SELECT posting_id, currency, count(*) AS legs,
                    max(max(line_no)) OVER (PARTITION BY posting_id) AS lines,
                    sum(CASE side WHEN 'D' THEN amount_minor ELSE -amount_minor END) AS difference
                FROM ledger_leg WHERE booked_day >= %(first_day)s GROUP BY posting_id, currency) by_currency
            GROUP BY posting_id) l ON l.posting_id = p.id
        WHERE p.booked_day >= %(first_day)s""",
    "legs belong to a posting and an account of its book": """
        SELECT l.posting_id AS id, p.id IS NULL OR a.id IS NULL OR a.book_id <> p.book_id OR a.currency <> l.currency
            OR p.organisation_id <> l.organisation_id OR p.booked_day <> l.booked_day AS broken
        FROM ledger_leg l LEFT JOIN ledger_posting p ON p.id = l.posting_id
        LEFT JOIN ledger_account a ON a.id = l.account_id WHERE l.booked_day >= %(first_day)s""",
    "postings belong to a book and its day": """
        SELECT p.id, b.id IS NULL OR b.organisation_id <> p.organisation_id
            OR (p.booked_at AT TIME ZONE b.time_zone)::date <> p.booked_day AS broken
        FROM ledger_posting p LEFT JOIN ledger_book b ON b.id = p.book_id WHERE p.booked_day >= %(first_day)s""",
    "mirrors are exact": """
        SELECT m.id, o.id IS NULL OR o.reverses_id IS NOT NULL OR EXISTS (
            SELECT 1 FROM (SELECT * FROM ledger_leg WHERE posting_id = m.id) x
            FULL JOIN (SELECT * FROM ledger_leg WHERE posting_id = o.id) y ON x.line_no = y.line_no
            WHERE (x.account_id, x.currency, x.amount_minor, x.side) IS DISTINCT FROM
                (y.account_id, y.currency, y.amount_minor, CASE y.side WHEN 'D' THEN 'C' ELSE 'D' END)) AS broken
        FROM ledger_posting m LEFT JOIN ledger_posting o ON o.id = m.reverses_id
        WHERE m.reverses_id IS NOT NULL AND m.booked_day >= %(first_day)s""",
    "running balances equal the sum of legs": """
        SELECT a.id, b.account_id IS NULL OR b.balance_minor <> coalesce(l.total, 0) AS broken
        FROM ledger_account a LEFT JOIN ledger_accountbalance b ON b.account_id = a.id LEFT JOIN LATERAL (
            SELECT sum(CASE l.side WHEN a.normal_side THEN l.amount_minor ELSE -l.amount_minor END) AS total
            FROM ledger_leg l WHERE l.account_id = a.id) l ON true WHERE a.limited""",
    "running balances keep room for the open holds": """
        SELECT a.id, b.account_id IS NULL OR b.held_up_minor <> coalesce(h.up, 0)
            OR b.held_down_minor <> coalesce(h.down, 0)
            OR b.balance_minor + b.held_up_minor > b.limit_minor OR b.balance_minor - b.held_down_minor < b.floor_minor
            AS broken
        FROM ledger_account a LEFT JOIN ledger_accountbalance b ON b.account_id = a.id LEFT JOIN LATERAL (
            SELECT sum(h.amount_minor) FILTER (WHERE h.side = a.normal_side) AS up,
                sum(h.amount_minor) FILTER (WHERE h.side <> a.normal_side) AS down
            FROM ledger_hold h WHERE h.account_id = a.id AND h.state = 'OPEN') h ON true WHERE a.limited""",
    "posted holds are covered by their posting": """
        SELECT h.id, h.resolved_minor > h.amount_minor OR sum(h.resolved_minor) OVER one_posting > coalesce(l.total, 0)
            AS broken
        FROM ledger_hold h LEFT JOIN LATERAL (
            SELECT sum(l.amount_minor) AS total FROM ledger_leg l
            WHERE l.posting_id = h.posting_id AND l.account_id = h.account_id AND l.side = h.side) l ON true
        WHERE h.state = 'POSTED' WINDOW one_posting AS (PARTITION BY h.posting_id, h.account_id, h.side)""",
    "snapshots equal the sum of legs": """
        SELECT s.id, (s.debit_minor, s.credit_minor) IS DISTINCT FROM (coalesce(l.debit, 0), coalesce(l.credit, 0))
            AS broken
        FROM ledger_snapshot s LEFT JOIN LATERAL (
            SELECT sum(l.amount_minor) FILTER (WHERE l.side = 'D') AS debit,
                sum(l.amount_minor) FILTER (WHERE l.side = 'C') AS credit
            FROM ledger_leg l WHERE l.account_id = s.account_id AND l.booked_day <= s.day) l ON true""",
    "debits equal credits in every book and currency": """
        SELECT a.book_id || ' ' || l.currency AS id,
            sum(CASE l.side WHEN 'D' THEN l.amount_minor ELSE -l.amount_minor END) <> 0 AS broken
        FROM ledger_leg l LEFT JOIN ledger_account a ON a.id = l.account_id GROUP BY a.book_id, l.currency""",
}


def prove(*, first_day: date | None = None, names: Iterable[str] | None = None) -> Proof:
    """Recompute the rules from the rows the caller's role may see (role worker sees all); changes nothing.

    `first_day` limits the checks of single postings to those booked from that day on; balances, holds, snapshots and
    the trial balance are always proven whole. `names` picks some of the checks.
    """
    checks = checks_known()
    chosen = list(checks) if names is None else list(names)
    with transaction.atomic():
        return Proof(tuple(_check(name, checks[name], first_day or date.min) for name in chosen))


def checks_known() -> dict[str, str]:
    """The ledger's own rules, and those of the apps above it that `config.wiring.PROOFS` names."""
    known = dict(CHECKS)
    for path in import_string(f"{settings.WIRING}.PROOFS"):
        known |= import_string(path)
    return known


def _check(name: str, sql: str, first_day: date) -> Check:
    with connection.cursor() as cursor:
        # The inner statements are the constants above; the day travels as a parameter.
        cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE broken), "  # noqa: S608
            "(array_agg(DISTINCT id::text) FILTER (WHERE broken))[1:%(shown)s] "
            f"FROM ({sql}) examined",
            {"first_day": first_day, "shown": OFFENDERS_SHOWN},
        )
        examined, offending, offenders = cursor.fetchone()
    return Check(name=name, examined=examined, offending=offending, offenders=tuple(offenders or ()))
