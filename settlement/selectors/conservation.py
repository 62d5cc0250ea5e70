"""Conservation: what was laid out is somewhere, in the rows and in the books alike. Recomputed, never stored.

Per insurer: drawn = unconfirmed + receivable + collected - clawed back + in recovery + recovered + returned + written
off. Per account: what the ledger holds is the sum of the advances' parts. And nothing is held for nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Sum

from accounts.selectors import Seen
from core.row_security import EVERYTHING
from ledger.services.proof import Proof, prove
from settlement.models import Advance

PARTS = (
    *("drawn", "unconfirmed", "receivable", "collected", "clawed_back", "in_recovery", "recovered", "returned"),
    "written_off",
)
_POSTED = """
    SELECT p.cause_id, sum(CASE l.side WHEN 'D' THEN l.amount_minor ELSE -l.amount_minor END)::bigint AS minor
    FROM ledger_posting p JOIN ledger_leg l ON l.posting_id = p.id JOIN ledger_account a ON a.id = l.account_id
    JOIN ledger_book b ON b.id = a.book_id
    WHERE p.cause_kind = 'advance' AND b.kind = '{book}' AND {account} GROUP BY p.cause_id"""
_MATCHES = """
    SELECT a.id, coalesce(x.minor, 0) <> {expected} AS broken
    FROM settlement_advance a LEFT JOIN ({posted}) x ON x.cause_id = a.id"""
_ALONE = """
    SELECT a.id, coalesce(sum(CASE l.side WHEN 'D' THEN l.amount_minor ELSE -l.amount_minor END), 0) <> coalesce((
        SELECT sum({expected}) FROM settlement_advance v
        WHERE v.organisation_id = b.insurer_organisation_id AND v.currency = a.currency), 0) AS broken
    FROM ledger_account a JOIN ledger_book b ON b.id = a.book_id LEFT JOIN ledger_leg l ON l.account_id = a.id
    WHERE b.kind = 'advance' AND a.code = '{account}' GROUP BY a.id, b.id"""


def _matches(expected: str, account: str, book: str = "advance") -> str:
    return _MATCHES.format(expected=expected, posted=_POSTED.format(account=account, book=book))


def _alone(expected: str, account: str) -> str:
    return _ALONE.format(expected=expected, account=account)


# Name of the rule -> SELECT of `id` and `broken`, like ledger.services.proof.CHECKS, which shows them too.
CHECKS = {
    "advances are conserved": """
        SELECT id, drawn_minor <> unconfirmed_minor + receivable_minor + collected_minor - clawed_back_minor
            + in_recovery_minor + recovered_minor + returned_minor + written_off_minor OR drawn_minor > held_minor
            AS broken
        FROM settlement_advance""",
    "each move of an advance has its posting": """
        SELECT m.id, count(p.id) <> 1 AS broken FROM settlement_advancemove m LEFT JOIN ledger_posting p
            ON p.cause_kind = 'advance' AND p.cause_id = m.advance_id AND p.kind = m.kind AND p.episode = m.episode
            AND p.evidence_id = m.id
        GROUP BY m.id""",
    "each posting of an advance has its move": """
        SELECT p.id, m.id IS NULL AS broken FROM ledger_posting p LEFT JOIN settlement_advancemove m
            ON m.id = p.evidence_id AND m.advance_id = p.cause_id
        WHERE p.cause_kind = 'advance'""",
    "unconfirmed advances are in the books": _matches("a.unconfirmed_minor", "a.code = 'advance_unconfirmed'"),
    "receivables of advances are in the books": _matches("a.receivable_minor", "a.code = 'receivable'"),
    "recoveries of advances are in the books": _matches(
        "a.in_recovery_minor",
        "a.code LIKE 'recovery%%' AND p.kind IN ('BEAR', 'BEAR_RECEIVABLE', 'BEAR_NO_MORE', 'RECOVER', 'WRITE_OFF')",
    ),
    "losses of advances are in the books": _matches("a.written_off_minor", "a.code = 'loss'"),
    "credit lines carry what is open": _matches("a.unconfirmed_minor + a.receivable_minor", "a.code = 'exposure'"),
    "pharmacies' exposure is what nobody has confirmed": _matches(
        "CASE WHEN a.pharmacy_id IS NULL THEN 0 ELSE a.unconfirmed_minor END",
        "a.code = 'exposure'",
        "counter_exposure",
    ),
    "nothing else is on the account of unconfirmed advances": _alone("v.unconfirmed_minor", "advance_unconfirmed"),
    "nothing else is on the account of receivables": _alone("v.receivable_minor", "receivable"),
    "what is held of an advance is held in the ledger": """
        SELECT a.id, coalesce(h.minor, 0) NOT IN (0, a.held_minor - a.drawn_minor)
            OR (h.minor IS NULL AND a.held_minor > a.drawn_minor AND NOT coalesce(x.expired, false)) AS broken
        FROM settlement_advance a
        LEFT JOIN (SELECT cause_id, sum(amount_minor) AS minor FROM ledger_hold
            WHERE cause_kind = 'advance' AND kind = 'HOLD' AND state = 'OPEN' GROUP BY cause_id) h ON h.cause_id = a.id
        LEFT JOIN (SELECT cause_id, bool_or(state = 'EXPIRED') AS expired FROM ledger_hold
            WHERE cause_kind = 'advance' GROUP BY cause_id) x ON x.cause_id = a.id""",
    "ended advances hold nothing": """
        SELECT a.id, EXISTS (SELECT 1 FROM ledger_hold h WHERE h.cause_kind = 'advance' AND h.cause_id = a.id
            AND h.state = 'OPEN') AS broken
        FROM settlement_advance a WHERE a.state IN ('RELEASED', 'COLLECTED', 'WRITTEN_OFF')""",
    "recoveries sum to what is in recovery": """
        SELECT a.id, a.in_recovery_minor <> coalesce(r.minor, 0) AS broken FROM settlement_advance a LEFT JOIN (
            SELECT advance_id, sum(amount_minor - paid_minor) AS minor FROM settlement_recovery
            WHERE state IN ('OPEN', 'OBJECTED', 'AGREED', 'STOPPED') GROUP BY advance_id) r ON r.advance_id = a.id""",
    "first legs ask for what is receivable": """
        SELECT a.id, a.receivable_minor <> coalesce(l.minor, 0) AS broken FROM settlement_advance a LEFT JOIN (
            SELECT advance_id, sum(amount_minor - settled_minor) AS minor FROM settlement_settlementleg
            WHERE kind = 'FIRST' AND state <> 'REVERSED' GROUP BY advance_id) l ON l.advance_id = a.id""",
}


@dataclass(frozen=True, slots=True)
class Conserved:
    """Sums of all advances with one insurer in one currency, minor units, by the name of the part."""

    organisation_id: int
    currency: str
    minor: dict[str, int]

    @property
    def holds(self) -> bool:
        parts = self.minor
        there = sum(parts[name] for name in PARTS if name not in ("drawn", "clawed_back"))
        return parts["drawn"] == there - parts["clawed_back"]


@dataclass(frozen=True, slots=True)
class Conservation:
    insurers: tuple[Conserved, ...]
    proof: Proof | None

    @property
    def holds(self) -> bool:
        return all(one.holds for one in self.insurers) and (self.proof is None or self.proof.holds)


def conservation(*, organisations: Seen) -> Conservation:
    """The sums per insurer and, for whoever sees all, the proof of every rule above."""
    rows = Advance.objects.all()
    if not isinstance(organisations, str):
        rows = rows.filter(organisation_id__in=organisations)
    sums = {name: Sum(f"{name}_minor") for name in PARTS}
    found = rows.order_by().values_list("organisation_id", "currency").annotate(**sums)
    insurers = tuple(
        Conserved(row[0], row[1], {name: minor or 0 for name, minor in zip(PARTS, row[2:], strict=True)})
        for row in found
    )
    return Conservation(insurers, proved() if organisations == EVERYTHING else None)


def proved(names: Collection[str] | None = None) -> Proof:
    """Each rule on all rows that this database role sees. Changes nothing."""
    return prove(names=list(CHECKS) if names is None else names)
