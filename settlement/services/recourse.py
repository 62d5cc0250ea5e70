"""What the review says, applied to drawn money: the insurer pays what it confirmed, for the rest the table speaks.

It goes by what stands, not by what happened last: run again it changes nothing, and it may run after every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from claims.selectors.claims import decisions_of, insurers_of
from claims.services.facts import shares_of
from claims.states import ClaimState, DecisionWord, Stage
from core.ids import uuid7
from registry.states import ConfirmationMode
from settlement.contracts import ContractTerms
from settlement.models import Advance, AdvanceMove, Recovery, SettlementLeg
from settlement.selectors.contracts import contract_on
from settlement.services.legs import PATIENTS, due_on, leg_reverse, leg_write
from settlement.services.moves import MoveDraft, move_write
from settlement.services.recoveries import recovery_end, recovery_open
from settlement.states import AdvanceMoveKind, Bearer, LegKind, LegState, RefusalClass
from settlement.states.recoveries import RUNNING

if TYPE_CHECKING:
    from claims.models import Claim, Decision

K = AdvanceMoveKind
S = ClaimState
BY = "settlement"
APPEALED = "appealed"
REFUSALS = (DecisionWord.DECLINE, DecisionWord.APPROVE_PARTLY)


@dataclass(frozen=True, slots=True)
class Word:
    """What the review says now. `insurer_minor`: the insurer pays so much of the claim; `decision` is what to quote."""

    insurer_minor: int
    refusal: RefusalClass
    decision: Decision | None


@dataclass(frozen=True, slots=True)
class Act:
    """Why and when money is moved by what the review says."""

    claim: Claim
    advance: Advance
    terms: ContractTerms
    cause: str
    cause_id: UUID
    by: str
    now: datetime
    trace_id: str

    def move(self, kind: AdvanceMoveKind, amount_minor: int, **changes: str) -> AdvanceMove:
        """One move, its own even when the same cause has made one of the kind before: amounts are what stands."""
        used = AdvanceMove.objects.filter(advance=self.advance, kind=kind, cause_id=self.cause_id).exists()
        draft = MoveDraft(
            kind=kind,
            amount_minor=amount_minor,
            cause=self.cause,
            cause_id=uuid7(self.now) if used else self.cause_id,
            against=changes.get("against", ""),
            bearer=changes.get("bearer", ""),
            reason=changes.get("reason", ""),
            seconded_by=changes.get("seconded_by", ""),
        )
        move, _ = move_write(advance=self.advance, draft=draft, by=self.by, now=self.now, trace_id=self.trace_id)
        return move


def review_apply(
    *, claim: Claim, advance: Advance, now: datetime, trace_id: str, by: str = BY, handover_id: UUID | None = None
) -> None:
    """Bring the locked advance of the locked claim to what the review says. Needs the platform's sight.

    `handover_id` is the cause where goods have just left; else the decision is. Raises ContractMissing.
    """
    if not advance.drawn_minor:
        return
    word = word_of(claim)
    terms = contract_on(organisation_id=claim.organisation_id, on=now.date()).terms
    decision_id = word.decision.pk if word is not None and word.decision is not None else claim.pk
    cause, cause_id = ("handover", handover_id) if handover_id else ("decision", decision_id)
    act = Act(claim, advance, terms, cause, cause_id, by, now, trace_id)
    if claim.state == S.APPEALED:
        for recovery in _running(advance):
            asked = ("OPEN", "AGREED", "OBJECTED")
            recovery_end(recovery, recovery.stop, APPEALED, by, now, trace_id, only_if=asked)
    elif word is None:
        _undecided(act)
    else:
        _decided(act, word)


def word_of(claim: Claim) -> Word | None:
    """None while nobody has said what the insurer pays, or it is looked at anew."""
    decisions = decisions_of(claim=claim)
    refused = next((one for one in decisions if one.word in REFUSALS), None)
    if claim.state in (S.CONFIRMED, S.PARTLY_CONFIRMED) or (claim.state == S.CLOSED and claim.confirmed_minor):
        latest = next((one for one in decisions if one.stage == Stage.CONFIRMATION), None)
        return Word(claim.confirmed_minor or 0, _refusal(claim, refused, decisions), latest)
    if claim.state in (S.DECLINED, S.PREREVIEW_DECLINED, S.CLOSED):
        return Word(0, _refusal(claim, refused, decisions), refused)
    return None


def bearer_of(act: Act, refusal: RefusalClass) -> Bearer:
    """By the recourse table of the contract and the claim's confirmation mode."""
    return act.terms.bearer(refusal, ConfirmationMode(act.claim.confirmation_mode))


def legs_open(advance: Advance) -> list[SettlementLeg]:
    """FIRST legs of the advance with something to be paid, in the order they were written."""
    rows = SettlementLeg.objects.filter(advance=advance, kind=LegKind.FIRST)
    rows = rows.filter(state__in=(LegState.DUE, LegState.DISPUTED)).order_by("created_at", "id")
    return [leg for leg in rows if leg.amount_minor > leg.settled_minor]


def legs_fit(act: Act, move: AdvanceMove) -> None:
    """After receivable was lowered by `move`: what FIRST legs ask is what is receivable, each insurer its part less."""
    legs = legs_open(act.advance)
    asked = [leg.amount_minor - leg.settled_minor for leg in legs]
    parts = shares_of(min(act.advance.receivable_minor, sum(asked)), asked)
    anew: dict[int, int] = {}
    for leg, before, part in zip(legs, asked, parts, strict=True):
        if part == before:
            continue
        leg_reverse(leg_id=leg.pk, reason=move.kind, by=act.by, now=act.now, trace_id=act.trace_id)
        anew[leg.organisation_id] = anew.get(leg.organisation_id, 0) + part
    # One leg per insurer and cause, whatever number it takes the place of.
    for organisation_id, part in anew.items():
        if part:
            _first_leg(act, move, organisation_id, part)


def receivable_to_unconfirmed(act: Act, amount_minor: int) -> None:
    legs_fit(act, act.move(K.UNCONFIRM, amount_minor))


def recovery_to_unconfirmed(act: Act, reason: str) -> None:
    """Nobody else bears it any more: all that runs of recoveries is unconfirmed again."""
    for recovery in _running(act.advance):
        rest = recovery.amount_minor - recovery.paid_minor
        act.move(K.BEAR_NO_MORE, rest, bearer=recovery.bearer, reason=reason)
        recovery_end(recovery, recovery.cancel, reason, act.by, act.now, act.trace_id)


def confirm(act: Act, amount_minor: int, reason: str = "") -> None:
    """The insurers owe it: CONFIRM, and each its FIRST leg; the parts sum exactly, the lead takes the rounding."""
    move = act.move(K.CONFIRM, amount_minor, reason=reason)
    for organisation_id, part in shares(act.claim, amount_minor):
        _first_leg(act, move, organisation_id, part)


def shares(claim: Claim, amount_minor: int) -> list[tuple[int, int]]:
    """(insurer, minor units), the lead first; none that is zero."""
    lead, others = claim.organisation_id, insurers_of(claim=claim)
    parts = [(one, amount_minor * points // 10_000) for one, points in others if one != lead]
    rest = amount_minor - sum(part for _, part in parts)
    return [(one, part) for one, part in [(lead, rest), *parts] if part]


def _decided(act: Act, word: Word) -> None:
    advance = act.advance
    for recovery in _running(advance):
        # One that death has stopped stays so.
        if recovery.state_reason == APPEALED:
            recovery_end(recovery, recovery.go_on, "decided", act.by, act.now, act.trace_id, only_if=("STOPPED",))
    target = min(word.insurer_minor, advance.drawn_minor - advance.returned_minor)
    missing = target - (advance.receivable_minor + advance.collected_minor - advance.clawed_back_minor)
    if missing > 0:
        _unconfirmed_at_least(act, missing)
        confirm(act, min(missing, advance.unconfirmed_minor))
    elif missing < 0 and advance.receivable_minor:
        _bear(act, word, min(-missing, advance.receivable_minor), receivable=True)
    if advance.unconfirmed_minor:
        _bear(act, word, advance.unconfirmed_minor, receivable=False)


def _undecided(act: Act) -> None:
    """Looked at anew: what was said before does not hold meanwhile."""
    recovery_to_unconfirmed(act, "reopened")
    if act.advance.receivable_minor:
        receivable_to_unconfirmed(act, act.advance.receivable_minor)


def _bear(act: Act, word: Word, amount_minor: int, *, receivable: bool) -> None:
    bearer = bearer_of(act, word.refusal)
    reason = f"{word.refusal}: {bearer}"
    if bearer == Bearer.INSURER:
        # It is bound: it owes that, whatever it says now.
        if not receivable:
            confirm(act, amount_minor, reason)
        return
    move = act.move(K.BEAR_RECEIVABLE if receivable else K.BEAR, amount_minor, bearer=bearer, reason=reason)
    if receivable:
        legs_fit(act, move)
    clause = (word.decision.clause, word.decision.clause_zh) if word.decision is not None else ("", "")
    recovery_open(
        advance=act.advance,
        claim=act.claim,
        refusal=word.refusal,
        bearer=bearer,
        amount_minor=amount_minor,
        clause=clause,
        object_within_days=act.terms.object_within_days,
        by=act.by,
        now=act.now,
        trace_id=act.trace_id,
    )


def _unconfirmed_at_least(act: Act, amount_minor: int) -> None:
    """The insurer pays after all what others bore, had paid, or was written off."""
    advance = act.advance
    if advance.unconfirmed_minor < amount_minor and advance.in_recovery_minor:
        recovery_to_unconfirmed(act, "the insurer pays")
    missing = amount_minor - advance.unconfirmed_minor
    if missing > 0 and advance.written_off_minor:
        act.move(K.WRITE_BACK, min(missing, advance.written_off_minor))
        missing = amount_minor - advance.unconfirmed_minor
    if missing > 0 and advance.recovered_minor:
        give_back(act, min(missing, advance.recovered_minor))


def give_back(act: Act, amount_minor: int) -> None:
    """Whoever had paid it gets it back: a leg to him, the latest payer first."""
    for recovery in Recovery.objects.filter(advance=act.advance, paid_minor__gt=0).order_by("-number"):
        already = sum(SettlementLeg.objects.filter(cause_id=recovery.pk).values_list("amount_minor", flat=True))
        part = min(amount_minor, recovery.paid_minor - already)
        if part <= 0:
            continue
        patient = recovery.bearer_organisation_id is None
        account = PATIENTS if patient else f"payable:p{recovery.bearer_organisation_id}"
        act.move(K.UNRECOVER, part, against=account, reason=f"recovery {recovery.number}")
        leg_write(
            kind=LegKind.THIRD if patient else LegKind.SECOND,
            organisation_id=act.claim.organisation_id if patient else recovery.bearer_organisation_id or 0,
            insurer_id=act.claim.organisation_id,
            claim_id=act.claim.pk,
            cause_id=recovery.pk,
            amount_minor=part,
            currency=act.advance.currency,
            due_on=due_on(act.now, act.terms.patient_pay_within_days),
            person_id=act.claim.person_id if patient else None,
            advance=act.advance,
            by=act.by,
            now=act.now,
            trace_id=act.trace_id,
        )
        amount_minor -= part


def _first_leg(act: Act, move: AdvanceMove, organisation_id: int, amount_minor: int) -> None:
    leg_write(
        kind=LegKind.FIRST,
        organisation_id=organisation_id,
        insurer_id=act.claim.organisation_id,
        claim_id=act.claim.pk,
        cause_id=move.pk,
        amount_minor=amount_minor,
        currency=act.advance.currency,
        due_on=due_on(act.now, act.terms.collect_within_days),
        advance=act.advance,
        by=act.by,
        now=act.now,
        trace_id=act.trace_id,
    )


def _running(advance: Advance) -> list[Recovery]:
    rows = Recovery.objects.select_for_update().filter(advance=advance, state__in=RUNNING)
    return list(rows.order_by("number"))


def _refusal(claim: Claim, refused: Decision | None, decisions: Sequence[Decision]) -> RefusalClass:
    """Whose doing it is that the insurer does not pay."""
    if any(one.delegated for one in decisions):
        return RefusalClass.WITHIN_AUTHORITY
    if refused is None:
        return RefusalClass.OTHER
    if refused.stage == Stage.PREREVIEW:
        return RefusalClass.REVIEW_ERROR
    day = refused.at.date()
    return contract_on(organisation_id=claim.organisation_id, on=day).terms.refusal_class(refused.reason_code)
