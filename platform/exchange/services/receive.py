"""A wish arrives: the transaction and its first job are committed, or the caller learns why not. Nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from core.bulk import rows_insert, rows_insert_new
from core.clock import local_day
from core.errors import Conflict, Problem
from exchange.kinds import LOCATE, SEND
from exchange.locks import BillKey, bills_take, payments_of
from exchange.persons import person_index_of
from exchange.selectors.interfaces import facts_of
from exchange.selectors.routing import coverage_routes, route_find
from exchange.selectors.transactions import BillWish, KnownWish, known_of, wishes_of_bills
from exchange.services.cancels import cancel_admit
from exchange.services.guards import (
    OnAnotherBill,
    ReferenceUnknown,
    currency_check,
    follow_check,
    settle_check,
    shown,
)
from exchange.services.tombstones import TOMBSTONES, CashMove, LateWish, tombstones_fill, tombstones_move
from exchange.services.wishes import Batch, Raced, Received, Way, WishDraft, wish_claim, wish_row, wish_store
from exchange.states import OperationClass
from journal.services import JobDraft, jobs_add

__all__ = ["AbandonedBefore", "HisNoReused", "KeyReused", "Received", "WishDraft", "transactions_receive"]

RACES = 5


class KeyReused(Problem):
    code = "idempotency_key_reused"
    status = 422
    title = "This Idempotency-Key belongs to another request"
    detail = "Idempotency-Key {key} was used for {his_no} with another body."
    detail_zh = "Idempotency-Key {key} 已用于 {his_no} 的另一请求。"
    fix = "Use a new key for every new request; repeat a request with its own key and the same body."
    fix_zh = "每个新请求请使用新的 Idempotency-Key；重发时请使用原来的 Idempotency-Key 和原请求内容。"


class HisNoReused(Conflict):
    code = "his_no_reused"
    title = "This his_no belongs to another wish"
    detail = "{his_no} exists with another body; its current verdict is in `transaction`."
    detail_zh = "{his_no} 已存在且内容不同，其当前结果见 transaction。"
    fix = (
        "If you meant to repeat, take the verdict in `transaction`. "
        "A his_no names one wish for ever: a new wish needs a new one."
    )
    fix_zh = "如果只是重发，请以 transaction 中的结果为准。一个 his_no 永远只对应一笔交易，新交易请使用新的 his_no。"


class AbandonedBefore(Conflict):
    code = "abandoned_before"
    title = "Cash was reported for this wish before it came"
    detail = "{his_no} was given up and paid in cash before this request arrived; nothing was sent."
    detail_zh = "在收到本请求之前，{his_no} 已登记放弃并改收现金，未发送任何内容。"
    fix = "Take the verdict in `transaction`. To settle after all, send a new his_no with `replaces`."
    fix_zh = "请以 transaction 中的结果为准。如仍需结算，请使用新的流水号并填写 replaces。"


def transactions_receive(*, drafts: Sequence[WishDraft], now: datetime) -> list[Received]:
    """Store wishes of one or more organisations in one commit; results in the order of `drafts`.

    The caller has said whom it sees (core.row_security). Refusals write nothing, replays at most their
    key. Raises the database's error when the commit is not confirmed: then nobody knows, and the same request
    finds out.
    """
    for _ in range(RACES):
        try:
            with transaction.atomic():
                return _receive(drafts, now)
        except Raced:
            continue
    raise RuntimeError(f"{RACES} races in a row over the same keys")


def _receive(drafts: Sequence[WishDraft], now: datetime) -> list[Received]:
    known = known_of(
        organisation_ids={draft.organisation_id for draft in drafts},
        his_nos={name for draft in drafts for name in _names(draft)},
        keys=[draft.idempotency_key for draft in drafts],
    )
    batch = Batch(drafts, now, known)
    looks = [_look(draft, batch) for draft in drafts]
    # Only what may be admitted makes a bill: a refusal leaves nothing behind.
    _bills_lock(batch, [(draft, look) for draft, look in zip(drafts, looks, strict=True) if isinstance(look, Way)])
    for draft, look in zip(drafts, looks, strict=True):
        if isinstance(look, Received):
            batch.results.append(look)
            continue
        try:
            received = _replay(draft, batch) or _admit(draft, look, batch)
        except Problem as problem:
            received = Received(problem=problem)
        batch.results.append(received)
    _write(batch)
    return batch.results


def _names(draft: WishDraft) -> set[str]:
    """Every his_no that a request speaks of."""
    named = {draft.his_no, draft.answered_as, draft.of, draft.replaces, draft.retry_of, draft.presettle_of}
    return named - {""}


def _look(draft: WishDraft, batch: Batch) -> Received | Way:
    """What can be said of a draft before any lock: it was here before, it goes nowhere, or its way."""
    try:
        return _replay(draft, batch) or _way(draft, batch)
    except Problem as problem:
        return Received(problem=problem)


def _way(draft: WishDraft, batch: Batch) -> Way:
    """Raises NoRoute, OnAnotherBill, ReferenceUnknown."""
    index = person_index_of(draft.body["person"], now=batch.now)
    if draft.operation_class == OperationClass.UNDOES:
        original = _named(draft, "of", batch)
        facts = facts_of(original.interface_id) if original.interface_id is not None else None
        if facts is None or original.bill_id is None:
            raise ReferenceUnknown(member="of", other=draft.of)
        its_bill = (draft.organisation_id, original.visit_no, original.bill_no)
        return Way(index, facts.id, facts.lane_id, its_bill)
    _references_check(draft, batch)
    moves = draft.operation_class == OperationClass.MOVES
    key = (draft.organisation_id, draft.visit_no, draft.bill_no) if moves else None
    day = local_day(batch.now)
    if draft.scheme:
        rule = route_find(scheme=draft.scheme, region=draft.region, person_index=index, on=day)
        return Way(index, rule.interface_id, rule.lane_id, key)
    first, *others = coverage_routes(person_index=index, on=day)
    found = first.person_index is not None and not others
    return Way(index, first.interface_id if found else None, first.lane_id, key)


def _references_check(draft: WishDraft, batch: Batch) -> None:
    """A wish that names what is not there, or what is on another bill, is refused before a bill is made for it.

    Raises OnAnotherBill, ReferenceUnknown.
    """
    for member in ("replaces", "retry_of", "presettle_of"):
        if not getattr(draft, member):
            continue
        found = _named(draft, member, batch)
        if member == "presettle_of":
            continue
        if found.bill_id is None:
            raise ReferenceUnknown(member=member, other=found.his_no)
        # A tombstone that waits for its bill comes to that of the wish.
        if found.visit_no != TOMBSTONES and (found.visit_no, found.bill_no) != (draft.visit_no, draft.bill_no):
            raise OnAnotherBill(extra={"transaction": shown(found)}, other=found.his_no)


def _named(draft: WishDraft, member: str, batch: Batch) -> KnownWish:
    other = getattr(draft, member)
    found = batch.known.wishes.get((draft.organisation_id, other))
    if found is None:
        raise ReferenceUnknown(member=member, other=other)
    return found


def _bills_lock(batch: Batch, admissible: Sequence[tuple[WishDraft, Way]]) -> None:
    """The bills of all that moves or undoes money, made where missing, locked in key order until the commit."""
    currencies: dict[BillKey, str] = {}
    for draft, way in admissible:
        if way.bill is not None:
            currencies[way.bill] = draft.currency
        tombstone = batch.known.wishes.get((draft.organisation_id, draft.his_no))
        if tombstone is not None:
            # Its cash waits on a bill of its own until it knows the right one.
            currencies[draft.organisation_id, tombstone.visit_no, tombstone.bill_no] = draft.currency
        followed = batch.known.wishes.get((draft.organisation_id, draft.replaces or draft.retry_of))
        if followed is not None and followed.visit_no == TOMBSTONES:
            currencies[draft.organisation_id, TOMBSTONES, followed.bill_no] = draft.currency
    if not currencies:
        return
    rows = bills_take(currencies, now=batch.now)
    batch.bills = {(row[1], row[2], row[3]): row[0] for row in rows}
    batch.currencies = {row[0]: row[5] for row in rows}
    # Only a bill that was there before can have wishes.
    batch.wishes = wishes_of_bills([row[0] for row in rows if row[4] > 1])


def _replay(draft: WishDraft, batch: Batch) -> Received | None:
    """The answer to a request that was here before, None for a new one. Raises KeyReused, HisNoReused.

    A new key for a known wish belongs to that wish from now on.
    """
    claim = batch.known.keys.get((draft.organisation_id, draft.idempotency_key))
    if claim is not None:
        if claim.digest != draft.digest:
            raise KeyReused(key=draft.idempotency_key, his_no=claim.his_no)
        return Received(claim.id, claim.his_no, replayed=True)
    existing = batch.known.wishes.get((draft.organisation_id, draft.his_no))
    if existing is None or not existing.digest:
        return None
    answering = batch.known.wishes.get((draft.organisation_id, draft.answered_as), existing)
    if existing.digest != draft.digest:
        raise HisNoReused(extra={"transaction": shown(answering)}, his_no=draft.his_no)
    wish_claim(draft, answering, batch)
    return Received(answering.id, answering.his_no, replayed=True)


def _admit(draft: WishDraft, way: Way, batch: Batch) -> Received:
    """A new transaction, not yet written. Raises AbandonedBefore, Raced and the problems of `guards`."""
    bill_id = batch.bills[way.bill] if way.bill is not None else None
    names = (draft.his_no, draft.answered_as)
    named = [batch.known.wishes.get((draft.organisation_id, name)) for name in names]
    tombstone = next((wish for wish in named if wish is not None), None)
    if tombstone is not None:
        if draft.operation_class == OperationClass.MOVES and bill_id is not None and not tombstone.digest:
            row = wish_row(draft, way, batch, his_no=draft.his_no, bill_id=bill_id, row_id=tombstone.id)
            batch.fills.append(LateWish(row, tombstone.bill_id))
        raise AbandonedBefore(extra={"transaction": shown(tombstone)}, his_no=draft.his_no)
    wishes = batch.wishes.setdefault(bill_id, []) if bill_id is not None else []
    if bill_id is not None and draft.operation != "cancel":
        currency_check(draft.currency, batch.currencies[bill_id])
    if any(other.his_no in (draft.his_no, draft.answered_as) for other in wishes):
        raise Raced
    follows = None
    match draft.operation:
        case "cancel" | "resettle":
            return cancel_admit(draft, way, batch, bill_id, wishes)
        case "settle":
            follows = _followed(draft, bill_id, wishes, batch)
            settle_check(wishes, batch_no=draft.batch_no, follows=follows)
    row = wish_row(draft, way, batch, his_no=draft.his_no, bill_id=bill_id)
    _tombstone_take(follows, bill_id, wishes, batch)
    batch.fresh.append((row, way.lane_id))
    return wish_store(draft, row, batch, wishes)


def _tombstone_take(follows: BillWish | None, bill_id: UUID | None, wishes: list[BillWish], batch: Batch) -> None:
    """A tombstone that has waited without a bill comes onto the bill of the wish that follows it."""
    if follows is None or follows in wishes or bill_id is None:
        return
    waiting_bill_id = next(one for one, its in batch.wishes.items() if follows in its)
    batch.moves.append(CashMove(follows.id, waiting_bill_id, bill_id))
    batch.wishes[waiting_bill_id].remove(follows)
    wishes.append(follows)


def _followed(draft: WishDraft, bill_id: UUID | None, wishes: Sequence[BillWish], batch: Batch) -> BillWish | None:
    """The wish that this one replaces or tries again. Raises the problems of `guards.follow_check`."""
    other = draft.replaces or draft.retry_of
    if not other:
        return None
    member = "replaces" if draft.replaces else "retry_of"
    waiting_bill_id = batch.bills.get((draft.organisation_id, TOMBSTONES, other))
    waiting = batch.wishes.get(waiting_bill_id, []) if waiting_bill_id is not None else []
    followed = next((wish for wish in (*wishes, *waiting) if wish.his_no == other), None)
    if followed is None or followed.operation_class != OperationClass.MOVES:
        raise _not_on_this_bill(draft, member, other, bill_id)
    paid = payments_of([followed.id]).get(followed.id, 0) if draft.retry_of else 0
    follow_check(followed, retry=bool(draft.retry_of), paid_minor=paid)
    return followed


def _not_on_this_bill(draft: WishDraft, member: str, other: str, bill_id: UUID | None) -> Problem:
    """The named wish is not on this bill: say whether it is on another one or nowhere."""
    found = known_of(organisation_ids=[draft.organisation_id], his_nos=[other], keys=[]).wishes
    known = found.get((draft.organisation_id, other))
    if known is None or known.bill_id is None or known.bill_id == bill_id:
        return ReferenceUnknown(member=member, other=other)
    return OnAnotherBill(extra={"transaction": shown(known)}, other=other)


def _write(batch: Batch) -> None:
    """Transactions, idempotency claims and first jobs. Raises Raced when another process was first with a key."""
    tombstones_fill(late_wishes=batch.fills, now=batch.now)
    tombstones_move(moves=batch.moves, now=batch.now)
    if not batch.claims:
        return
    # Everybody inserts in key order: two batches that share keys then wait for each other, never in a circle.
    stored = [*(row for row, _ in batch.fresh), *batch.waiting]
    rows = sorted(stored, key=lambda row: (row.organisation_id, row.his_no))
    if len(rows_insert_new(rows, returning="id")) != len(rows):
        raise Raced
    claims = sorted(batch.claims, key=lambda claim: (claim.organisation_id, claim.key))
    if len(rows_insert_new(claims, returning="key")) != len(claims):
        raise Raced
    rows_insert(batch.sagas)
    jobs_add(
        drafts=[
            JobDraft(
                kind=LOCATE if row.interface_id is None else SEND,
                lane_id=lane_id,
                organisation_id=row.organisation_id,
                subject_id=row.id,
                run_at=batch.now,
                trace_id=row.trace_id,
            )
            for row, lane_id in batch.fresh
        ],
        now=batch.now,
    )
