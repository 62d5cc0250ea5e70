"""What a statement of a counterparty consists of, read from what was booked; and what the ledger says of it.

A pharmacy's lines are the legs of its own accounts. Insurers share one account in the lead's book, so an insurer's
lines come from its settlement legs and what was matched to them, and are held against the ledger over the whole book.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from core.row_security import EVERYTHING
from ledger.selectors import AccountMove, account_moves
from settlement.models import AdvanceMove, Allocation, FeeCharge, PayoutLine, SettlementLeg
from settlement.selectors.books import balances_until, book_with, fees_account, payable_account, platform_zone
from settlement.states import AdvanceMoveKind, CounterpartyRole, LegKind, LegState, StatementLineKind

SET_OFF = "settlement.set_off"
FIRST_DAY = date(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class Party:
    """Whose statement: the counterparty in the book with `insurer_id`, in one currency."""

    role: CounterpartyRole
    organisation_id: int
    insurer_id: int
    currency: str


@dataclass(frozen=True, slots=True)
class LineDraft:
    """A line to be. `amount_minor` is signed: what an insurer owes, what a pharmacy gets."""

    kind: StatementLineKind
    day: date
    reference: str
    amount_minor: int
    claim_no: str = ""
    leg_id: UUID | None = None
    fee_id: UUID | None = None
    cause_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Footing:
    """The sums of a statement. `net_minor` is gross with fees and VAT; the closing is what is open at the end."""

    opening_minor: int
    gross_minor: int
    fee_minor: int
    vat_minor: int
    set_off_minor: int
    paid_minor: int
    other_minor: int

    @property
    def net_minor(self) -> int:
        return self.gross_minor + self.fee_minor + self.vat_minor

    @property
    def closing_minor(self) -> int:
        return self.opening_minor + self.net_minor + self.set_off_minor + self.paid_minor + self.other_minor


def foot(opening_minor: int, lines: Iterable[LineDraft]) -> Footing:
    """Add the lines up by kind."""
    sums = dict.fromkeys(StatementLineKind, 0)
    for line in lines:
        sums[line.kind] += line.amount_minor
    return Footing(
        opening_minor=opening_minor,
        gross_minor=sums[StatementLineKind.LEG] + sums[StatementLineKind.LEG_BACK],
        fee_minor=sums[StatementLineKind.FEE],
        vat_minor=sums[StatementLineKind.VAT],
        set_off_minor=sums[StatementLineKind.SET_OFF],
        paid_minor=sums[StatementLineKind.PAYMENT],
        other_minor=sums[StatementLineKind.OTHER],
    )


def lines_between(*, party: Party, first_day: date, last_day: date) -> list[LineDraft]:
    """Everything between platform and counterparty that was booked on these days, both included, oldest first."""
    own = _pharmacy_lines if party.role == CounterpartyRole.PHARMACY else _insurer_lines
    lines = [*own(party, first_day, last_day), *_fee_lines(party, first_day, last_day)]
    return sorted((line for line in lines if line.amount_minor), key=lambda line: (line.day, line.claim_no))


def opening_before(*, party: Party, day: date) -> int:
    """What was open when `day` began: the sum of everything before it."""
    earlier = lines_between(party=party, first_day=FIRST_DAY, last_day=day - timedelta(days=1))
    return foot(0, earlier).closing_minor


def ledger_says(*, party: Party, last_day: date) -> tuple[int, int]:
    """(what the rows say, what the ledger says) is open at the end of `last_day`, over all who share the accounts."""
    balances = balances_until(insurer_id=party.insurer_id, currency=party.currency, until=last_day)
    fees_minor = balances.get(fees_account(party.organisation_id), 0)
    if party.role == CounterpartyRole.PHARMACY:
        ours = foot(0, lines_between(party=party, first_day=FIRST_DAY, last_day=last_day)).closing_minor
        return ours, -balances.get(payable_account(party.organisation_id), 0) - fees_minor
    shared = sum(
        line.amount_minor
        for sharer in _sharers(party)
        for line in _insurer_lines(sharer, FIRST_DAY, last_day)
        if line.fee_id is None
    )
    own = lines_between(party=party, first_day=FIRST_DAY, last_day=last_day)
    fees = sum(line.amount_minor for line in own if line.fee_id is not None)
    return shared + fees, balances.get("receivable", 0) + fees_minor


def _sharers(party: Party) -> list[Party]:
    """Everybody with a share in a claim of the book."""
    legs = SettlementLeg.objects.filter(kind=LegKind.FIRST, insurer_id=party.insurer_id, currency=party.currency)
    ids = legs.order_by().values_list("organisation_id", flat=True).distinct()
    return [Party(party.role, one, party.insurer_id, party.currency) for one in ids]


def days_bounds(first_day: date, last_day: date) -> tuple[datetime, datetime]:
    """The first moment of the first day and of the day after the last, in the platform's time zone."""
    zone = platform_zone()
    return (
        datetime.combine(first_day, time(), zone),
        datetime.combine(last_day + timedelta(days=1), time(), zone),
    )


def _fee_lines(party: Party, first_day: date, last_day: date) -> list[LineDraft]:
    charges = FeeCharge.objects.filter(
        organisation_id=party.organisation_id,
        insurer_id=party.insurer_id,
        currency=party.currency,
        charged_on__gte=first_day,
        charged_on__lte=last_day,
    ).select_related("leg__claim")
    # An insurer owes its fees; a pharmacy gets less by them.
    sign = 1 if party.role == CounterpartyRole.INSURER else -1
    lines = []
    for charge in charges.order_by("charged_at", "pk"):
        leg = charge.leg
        wanted = LegKind.FIRST if party.role == CounterpartyRole.INSURER else LegKind.SECOND
        if leg is not None and leg.kind != wanted:
            continue
        reference = f"{charge.kind} {leg.leg_no if leg is not None else f'{charge.month:%Y-%m}'}"
        claim_no = leg.claim.claim_no if leg is not None else ""
        kinds = ((StatementLineKind.FEE, charge.net_minor), (StatementLineKind.VAT, charge.vat_minor))
        lines += [
            LineDraft(kind, charge.charged_on, reference, sign * minor, claim_no, fee_id=charge.pk)
            for kind, minor in kinds
        ]
    return lines


def _insurer_lines(party: Party, first_day: date, last_day: date) -> list[LineDraft]:
    begin, end = days_bounds(first_day, last_day)
    zone = begin.tzinfo
    legs = SettlementLeg.objects.filter(
        kind=LegKind.FIRST,
        organisation_id=party.organisation_id,
        insurer_id=party.insurer_id,
        currency=party.currency,
    ).select_related("claim")
    made = [
        _leg_line(StatementLineKind.LEG, leg, leg.created_at.astimezone(zone).date(), leg.amount_minor)
        for leg in legs.filter(created_at__gte=begin, created_at__lt=end).order_by("created_at", "pk")
    ]
    back = legs.filter(state=LegState.REVERSED, state_at__gte=begin, state_at__lt=end).order_by("state_at", "pk")
    gone = [_back_line(leg, leg.state_at.astimezone(zone).date()) for leg in back]
    return [*made, *gone, *_allocation_lines(party, first_day, last_day)]


def _back_line(leg: SettlementLeg, day: date) -> LineDraft:
    """What was settled of it stays where it is; only the rest is owed no more."""
    return _leg_line(StatementLineKind.LEG_BACK, leg, day, leg.settled_minor - leg.amount_minor)


def _allocation_lines(party: Party, first_day: date, last_day: date) -> list[LineDraft]:
    """What came in and was matched, what the insurer kept back, and what of both was undone."""
    rows = Allocation.objects.filter(
        organisation_id=party.organisation_id,
        insurer_id=party.insurer_id,
        entry__currency=party.currency,
        allocated_on__gte=first_day,
        allocated_on__lte=last_day,
    ).select_related("entry", "leg__claim")
    return [
        LineDraft(
            kind=StatementLineKind.PAYMENT,
            day=row.allocated_on,
            reference=row.entry.bank_reference,
            amount_minor=-row.signed_minor,
            claim_no=row.leg.claim.claim_no if row.leg is not None else "",
            leg_id=row.leg_id,
            fee_id=row.fee_id,
            cause_id=row.pk,
        )
        for row in rows.order_by("at", "pk")
    ]


def _leg_line(kind: StatementLineKind, leg: SettlementLeg, day: date, minor: int) -> LineDraft:
    return LineDraft(
        kind=kind, day=day, reference=leg.leg_no, amount_minor=minor, claim_no=leg.claim.claim_no, leg_id=leg.pk
    )


def _pharmacy_lines(party: Party, first_day: date, last_day: date) -> list[LineDraft]:
    book = book_with(insurer_id=party.insurer_id)
    moves = account_moves(
        organisation_id=book.organisation_id,
        insurer_organisation_id=party.insurer_id,
        kind=book.kind,
        account=payable_account(party.organisation_id),
        currency=party.currency,
        first_day=first_day,
        last_day=last_day,
        organisations=EVERYTHING,
    )
    legs = _legs_behind(moves, party)
    lines = PayoutLine.objects.filter(pk__in={move.cause_id for move in moves}).select_related("payment", "leg__claim")
    paid = {line.pk: line for line in lines}
    drafts = [_pharmacy_line(move, legs.get(move.evidence_id), paid.get(move.cause_id)) for move in moves]
    return [draft for draft in drafts if draft is not None]


def _pharmacy_line(move: AccountMove, leg: SettlementLeg | None, paid: PayoutLine | None) -> LineDraft | None:
    """One leg of the payable. What is moved to the fees' account changes nothing of what is open."""
    if move.cause_kind == SET_OFF and move.kind == "fees":
        return None
    if leg is not None:
        kind = StatementLineKind.LEG if move.amount_minor > 0 else StatementLineKind.LEG_BACK
        if move.kind == AdvanceMoveKind.RECOVER:
            kind = StatementLineKind.SET_OFF
        return _leg_line(kind, leg, move.booked_day, move.amount_minor)
    if paid is not None:
        return _paid_line(move, paid)
    return LineDraft(
        kind=StatementLineKind.PAYMENT,
        day=move.booked_day,
        reference=f"{move.kind} {move.cause_id}"[:80],
        amount_minor=move.amount_minor,
        cause_id=move.cause_id,
    )


def _paid_line(move: AccountMove, paid: PayoutLine) -> LineDraft:
    """Paid out, or come back from the bank, under the reference that is on the bank's statement."""
    return LineDraft(
        kind=StatementLineKind.PAYMENT,
        day=move.booked_day,
        reference=paid.payment.message_id if paid.payment is not None else move.kind,
        amount_minor=move.amount_minor,
        claim_no=paid.leg.claim.claim_no,
        leg_id=paid.leg_id,
        cause_id=move.cause_id,
    )


def _legs_behind(moves: Sequence[AccountMove], party: Party) -> dict[UUID, SettlementLeg]:
    """By the id of an advance's move: the pharmacy's leg of that advance."""
    rows = AdvanceMove.objects.filter(pk__in={move.evidence_id for move in moves}).values_list("pk", "advance_id")
    advances = dict(rows)
    legs = SettlementLeg.objects.filter(
        kind=LegKind.SECOND, organisation_id=party.organisation_id, advance_id__in=set(advances.values())
    ).select_related("claim")
    by_advance = {leg.advance_id: leg for leg in legs.order_by("created_at", "pk")}
    return {move_id: by_advance[advance_id] for move_id, advance_id in advances.items() if advance_id in by_advance}
