"""Money that came in: each transfer lies in suspense until it is matched to what an insurer owed.

Received: Dr cash, Cr suspense. Matched: Dr suspense, Cr receivable (or the fees' account). So what lies in suspense is
what is not matched, whatever happened. Never more than a leg's open rest is matched, and never more than came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.errors import Conflict, NotFound, Problem
from core.ids import uuid7
from core.money import Money
from core.row_security import EVERYTHING, seen_by
from ledger.services import credit, debit
from settlement.models import Allocation, BankEntry, FeeCharge, SettlementLeg
from settlement.selectors.books import fees_account, platform_day
from settlement.services.collecting import advance_claw_back, advance_collect, advance_uncollect
from settlement.services.legs import leg_paid, leg_returned
from settlement.services.moves import advance_lock
from settlement.services.suspense import entry_lock, into_book, rest_note, suspense_post
from settlement.states import AllocationKind, AllocationWay, LegKind, LegState

MATCHED = "settlement.allocation"
REASON_AT_MOST = 300
K = AllocationKind


class MoreThanCame(Conflict):
    code = "allocation_exceeds_entry"
    title = "So much did not come in"
    detail = "Entry {bank_reference} has {rest_minor} unmatched; {asked_minor} was asked (minor units)."
    detail_zh = "银行流水 {bank_reference} 未核销 {rest_minor}，请求核销 {asked_minor}（最小货币单位）。"
    fix = "Match at most the rest; undo another match first where that was wrong."
    fix_zh = "核销金额不得超过未核销余额；如有错配请先撤销。"


class MoreThanOpen(Conflict):
    code = "allocation_exceeds_leg"
    title = "So much is not open"
    detail = "{leg_no} is {state} with {rest_minor} open; {asked_minor} was asked (minor units)."
    detail_zh = "结算款项 {leg_no} 状态为 {state}，未结 {rest_minor}，请求核销 {asked_minor}（最小货币单位）。"
    fix = "Match at most what is open; what is left over stays in suspense."
    fix_zh = "核销金额不得超过未结余额；余款保留在暂记账户。"


class OtherCurrency(Conflict):
    code = "allocation_in_other_currency"
    title = "Another currency"
    detail = "The transfer is in {came}, {leg_no} is owed in {owed}."
    detail_zh = "到账币种为 {came}，而结算款项 {leg_no} 的币种为 {owed}。"
    fix = "Ask the payer to transfer in the currency of what is owed; the transfer stays in suspense."
    fix_zh = "请付款方按应收币种付款；该笔到账保留在暂记账户。"


class HandNeedsReason(Problem):
    code = "allocation_needs_a_reason"
    status = 422
    title = "Say why"
    detail = "What is matched or undone by hand needs a reason of at most {limit} characters."
    detail_zh = "人工核销或撤销须填写原因，最多 {limit} 个字符。"
    fix = "Add the reason."
    fix_zh = "请填写原因。"


class UndoneAlready(Conflict):
    code = "allocation_undone"
    title = "Undone already"
    detail = "This match was undone, or is an undoing itself."
    detail_zh = "该核销已被撤销，或其本身即为撤销记录。"
    fix = "Nothing is left to undo; match anew where that is right."
    fix_zh = "无需再撤销；如有需要请重新核销。"


@dataclass(frozen=True, slots=True)
class Match:
    """So much of a transfer for a leg or a fee. `minor` below zero: the insurer takes back what it paid for the leg."""

    minor: int
    leg: SettlementLeg | None = None
    fee: FeeCharge | None = None

    @property
    def insurer_id(self) -> int:
        """In whose book it is."""
        return self._of().insurer_id

    @property
    def organisation_id(self) -> int:
        return self._of().organisation_id

    @property
    def currency(self) -> str:
        return self._of().currency

    def _of(self) -> SettlementLeg | FeeCharge:
        owed = self.leg or self.fee
        if owed is None:
            raise RuntimeError("a match is for a leg or for a fee")
        return owed


def allocate(
    *, entry_id: UUID, leg_no: str, amount_minor: int, reason: str, by: str, now: datetime, trace_id: str
) -> Allocation:
    """By hand: so much of a transfer is for this leg.

    Raises HandNeedsReason, MoreThanCame, MoreThanOpen, NotACollection, NotFound, OtherCurrency.
    """
    _reason_check(reason)
    with seen_by(EVERYTHING):
        entry = entry_lock(entry_id)
        leg = SettlementLeg.objects.filter(leg_no=leg_no, kind=LegKind.FIRST).first()
        if leg is None:
            raise NotFound(noun="settlement leg", noun_zh="结算款项", key=leg_no[:40])
        matches = [Match(amount_minor, leg)]
        (made,) = matches_book(entry, matches, way=AllocationWay.HAND, reason=reason, by=by, now=now, trace_id=trace_id)
        rest_note(entry, "", now=now)
    return made


def allocation_undo(*, allocation_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> Allocation:
    """Matched wrongly: the leg is open again, the money in suspense. Of a netted transfer all of its advice is undone.

    Raises HandNeedsReason, NotFound, UndoneAlready.
    """
    _reason_check(reason)
    with seen_by(EVERYTHING):
        found = Allocation.objects.filter(pk=allocation_id).select_related("entry").first()
        if found is None:
            raise NotFound(noun="allocation", noun_zh="核销记录", key=allocation_id)
        entry = entry_lock(found.entry_id)
        if found.undoes_id is not None or Allocation.objects.filter(undoes=found).exists():
            raise UndoneAlready
        undoing = found
        for one in _undone_together(entry, found):
            row = _row(entry, _match_of(one), one.way, reason, by=by, now=now)
            row.undoes = one
            row.save(force_insert=True)
            _unpost(entry, one, row, by=by, now=now, trace_id=trace_id)
            undoing = row if one.pk == found.pk else undoing
        matched = Allocation.objects.filter(entry=entry)
        entry.allocated_minor = sum(row.signed_minor for row in matched)
        entry.save(update_fields=["allocated_minor"])
        rest_note(entry, "undone", now=now)
    return undoing


def _undone_together(entry: BankEntry, found: Allocation) -> list[Allocation]:
    """What was netted stands or falls together: without what was taken back, more would be matched than came."""
    standing = Allocation.objects.filter(entry=entry, undoes__isnull=True, undone_by__isnull=True)
    if not standing.filter(kind=K.CLAW_BACK).exists():
        return [found]
    netted = standing.filter(way=AllocationWay.ADVICE) | standing.filter(pk=found.pk)
    # The collections first, so that suspense has what the claw-backs take out of it.
    return list(netted.select_related("leg", "fee").order_by("-kind", "pk"))


def matches_book(
    entry: BankEntry,
    matches: Sequence[Match],
    *,
    way: AllocationWay,
    reason: str = "",
    by: str,
    now: datetime,
    trace_id: str,
) -> list[Allocation]:
    """All of these or none. What is taken back counts against what is paid, as in the transfer itself.

    Raises MoreThanCame, MoreThanOpen, OtherCurrency.
    """
    net = sum(match.minor for match in matches)
    rest = entry.amount_minor - entry.allocated_minor
    if net > rest or entry.allocated_minor + net < 0:
        raise MoreThanCame(bank_reference=entry.bank_reference, rest_minor=rest, asked_minor=net)
    made = []
    # In the order of legs' ids, as everybody locks them; what is taken back first, so that suspense has room.
    for match in sorted(matches, key=lambda one: (one.minor > 0, str((one.leg or one.fee).pk))):  # type: ignore[union-attr]
        match_check(entry, match)
        row = _row(entry, match, way, reason, by=by, now=now)
        row.save(force_insert=True)
        into_book(entry, match.minor, match.insurer_id, row.pk, by=by, now=now, trace_id=trace_id)
        _book(entry, match, row, by=by, now=now, trace_id=trace_id)
        made.append(row)
    _count(entry, net)
    return made


def match_check(entry: BankEntry, match: Match) -> None:
    """Raises MoreThanOpen, OtherCurrency where so much cannot be matched to this."""
    if match.currency != entry.currency:
        name = match.leg.leg_no if match.leg is not None else "fee"
        raise OtherCurrency(came=entry.currency, leg_no=name, owed=match.currency)
    if match.leg is not None:
        leg = SettlementLeg.objects.get(pk=match.leg.pk)
        rest = leg.amount_minor - leg.settled_minor if match.minor > 0 else leg.settled_minor
        fits = leg.kind == LegKind.FIRST and leg.state in (LegState.DUE, LegState.PAID)
        if not fits or not 0 < abs(match.minor) <= rest:
            raise MoreThanOpen(leg_no=leg.leg_no, state=leg.state, rest_minor=rest, asked_minor=match.minor)
    elif match.fee is not None and not fee_is_open(match.fee):
        raise MoreThanOpen(leg_no="fee", state="SETTLED", rest_minor=0, asked_minor=match.minor)


def fee_is_open(fee: FeeCharge) -> bool:
    """Owed, and not matched by an allocation that stands."""
    paid = Allocation.objects.filter(fee=fee, undoes__isnull=True, undone_by__isnull=True)
    return fee.undoes_id is None and not FeeCharge.objects.filter(undoes=fee).exists() and not paid.exists()


def _reason_check(reason: str) -> None:
    if not 0 < len(reason.strip()) <= REASON_AT_MOST:
        raise HandNeedsReason(limit=REASON_AT_MOST)


def _row(entry: BankEntry, match: Match, way: str, reason: str, *, by: str, now: datetime) -> Allocation:
    return Allocation(
        id=uuid7(now),
        organisation_id=match.organisation_id,
        insurer_id=match.insurer_id,
        entry=entry,
        leg=match.leg,
        fee=match.fee,
        kind=K.COLLECT if match.minor > 0 else K.CLAW_BACK,
        way=way,
        amount_minor=abs(match.minor),
        allocated_on=platform_day(now),
        at=now,
        by=by,
        reason=reason.strip(),
    )


def _match_of(row: Allocation) -> Match:
    return Match(row.amount_minor if row.kind == K.COLLECT else -row.amount_minor, row.leg, row.fee)


def _count(entry: BankEntry, net_minor: int) -> None:
    entry.allocated_minor += net_minor
    entry.save(update_fields=["allocated_minor"])


def _book(entry: BankEntry, match: Match, row: Allocation, *, by: str, now: datetime, trace_id: str) -> None:
    """Out of suspense, or into it."""
    if match.leg is None or match.leg.advance_id is None:
        account = "receivable" if match.fee is None else fees_account(match.organisation_id)
        amount = Money(abs(match.minor), entry.currency)
        legs = [debit("suspense", amount), credit(account, amount)]
        if match.minor < 0:
            legs = [debit(account, amount), credit("suspense", amount)]
        suspense_post(
            MATCHED, row.pk, "matched", match.insurer_id, legs, row.pk, entry, by=by, now=now, trace_id=trace_id
        )
    else:
        advance_lock(match.leg.advance_id)
    if match.leg is None:
        return
    if match.minor > 0:
        _collect(entry, match.leg, row, by=by, now=now, trace_id=trace_id)
    else:
        _claw_back(entry, match.leg, row, reason=row.reason or "netted", by=by, now=now, trace_id=trace_id)


def _collect(entry: BankEntry, leg: SettlementLeg, row: Allocation, *, by: str, now: datetime, trace_id: str) -> None:
    day = entry.value_date
    leg_paid(
        leg_id=leg.pk,
        amount_minor=row.amount_minor,
        evidence_id=row.pk,
        value_date=day,
        by=by,
        now=now,
        trace_id=trace_id,
    )
    if leg.advance_id is not None:
        advance_collect(
            advance_id=leg.advance_id,
            amount_minor=row.amount_minor,
            cause_id=row.pk,
            value_date=day,
            by=by,
            now=now,
            trace_id=trace_id,
            against="suspense",
        )


def _claw_back(
    entry: BankEntry, leg: SettlementLeg, row: Allocation, *, reason: str, by: str, now: datetime, trace_id: str
) -> None:
    leg_returned(leg_id=leg.pk, amount_minor=row.amount_minor, reason=reason, by=by, now=now, trace_id=trace_id)
    if leg.advance_id is not None:
        advance_claw_back(
            advance_id=leg.advance_id,
            amount_minor=row.amount_minor,
            cause_id=row.pk,
            reason=reason,
            value_date=entry.value_date,
            by=by,
            now=now,
            trace_id=trace_id,
            against="suspense",
        )


def _unpost(entry: BankEntry, found: Allocation, undoing: Allocation, *, by: str, now: datetime, trace_id: str) -> None:
    """The opposite of what was booked, in the same book, and the money back where it came from."""
    leg = found.leg
    if leg is None or leg.advance_id is None or found.kind == K.CLAW_BACK:
        # A claw-back undone is money collected after all.
        _book(entry, _opposite(found), undoing, by=by, now=now, trace_id=trace_id)
    else:
        advance_lock(leg.advance_id)
        leg_returned(
            leg_id=leg.pk, amount_minor=found.amount_minor, reason=undoing.reason, by=by, now=now, trace_id=trace_id
        )
        advance_uncollect(
            advance_id=leg.advance_id,
            amount_minor=found.amount_minor,
            cause_id=undoing.pk,
            reason=undoing.reason,
            value_date=entry.value_date,
            by=by,
            now=now,
            trace_id=trace_id,
            against="suspense",
        )
    into_book(entry, _opposite(found).minor, found.insurer_id, undoing.pk, by=by, now=now, trace_id=trace_id)


def _opposite(found: Allocation) -> Match:
    return Match(-found.amount_minor if found.kind == K.COLLECT else found.amount_minor, found.leg, found.fee)
