"""Deductible and caps of a person on a policy: held by a claim in flight, used by a confirmed one.

The platform is master of this benefit. Whoever draws on it locks its counts first, in key order, so that of two claims
for the last of a cap one sees what the other has left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import transaction

from core.bulk import rows_insert
from core.errors import Conflict
from core.ids import uuid7
from registry.models import BenefitAccount, BenefitMove, Drug, Policy
from registry.selectors.benefits import policy_year_from
from registry.states import BenefitKind, BenefitMoveKind
from registry.terms import Listed, TermsOfProduct

ORDER = ("policy_id", "person_id", "kind", "key", "year_from")
Move = BenefitMoveKind


class BenefitExhausted(Conflict):
    code = "benefit_exhausted"
    title = "Not so much is left of the benefit"
    detail = "Of {benefit} {left_minor} is left (minor units), and {wanted_minor} was asked for."
    detail_zh = "{benefit} 剩余 {left_minor}（最小货币单位），不足以支持 {wanted_minor}。"
    fix = "Compute the payable again with what is left now."
    fix_zh = "请按当前剩余额度重新计算应付金额。"


class BenefitHeldOtherwise(Conflict):
    code = "benefit_held_otherwise"
    title = "The claim has drawn on the benefit already, otherwise"
    detail = "{cause_id} has {state} other amounts of it in episode {episode}."
    detail_zh = "{cause_id} 在第 {episode} 次处理中已有不同金额（{state}）。"
    fix = "Release or give back what it has, then hold under the next episode."
    fix_zh = "请先释放或退回已占用的额度，再以下一次序占用。"


class BenefitNotHeld(Conflict):
    code = "benefit_not_held"
    title = "The claim holds no such amount"
    detail = "{cause_id} holds {held_minor} of {benefit} (minor units), and {wanted_minor} was to be used."
    detail_zh = "{cause_id} 仅占用 {benefit} {held_minor}（最小货币单位），不能使用 {wanted_minor}。"
    fix = "A claim uses at most what it holds; hold again under the next episode."
    fix_zh = "使用额不得超过占用额；如需更多，请以下一次序重新占用。"


@dataclass(frozen=True, slots=True)
class Benefits:
    """What is left for one claim, locked until the commit; minor units. What claims in flight hold is not left."""

    deductible: BenefitAccount
    caps: tuple[BenefitAccount, ...]
    limits_minor: dict[UUID, int]

    def left_minor(self, account: BenefitAccount) -> int:
        return max(0, self.limits_minor[account.pk] - account.held_minor - account.used_minor)

    @property
    def deductible_left_minor(self) -> int:
        return self.left_minor(self.deductible)

    @property
    def cap_left_minor(self) -> int:
        """The least of what drug cap, category cap, annual cap and sum insured have left."""
        return min(self.left_minor(cap) for cap in self.caps)


@dataclass(slots=True)
class _Standing:
    """What a cause has of one count, in its latest episode."""

    account: BenefitAccount
    episode: int = 0
    held: int = 0
    used: int = 0
    first_held: int = 0


@dataclass(frozen=True, slots=True)
class _Wanted:
    kind: BenefitKind
    key: str
    year_from: date
    limit_minor: int


def benefits_lock(
    *, policy: Policy, person_id: UUID, drug: Drug, listed: Listed, terms: TermsOfProduct, on: date, now: datetime
) -> Benefits:
    """The counts that a claim for `drug` on day `on` draws on, made where missing, locked in key order.

    Their limits are those of `terms`; a limit below what was already drawn leaves nothing. Needs an open transaction.
    """
    if listed.drug != drug.pk:
        raise ValueError(f"the list entry is of {listed.drug}, not of {drug.pk}")
    wanted = _wanted(policy, listed, terms, on)
    rows = [
        BenefitAccount(
            id=uuid7(now),
            organisation_id=policy.organisation_id,
            policy_id=policy.pk,
            person_id=person_id,
            kind=one.kind,
            key=one.key,
            year_from=one.year_from,
            limit_minor=one.limit_minor,
            currency=policy.currency,
        )
        for one in sorted(wanted, key=lambda one: (one.kind, one.key, one.year_from))
    ]
    rows_insert(rows, skip_existing=True)
    kinds = {(one.kind.value, one.key, one.year_from): one for one in wanted}
    found = BenefitAccount.objects.select_for_update().filter(
        policy_id=policy.pk, person_id=person_id, kind__in={one.kind for one in wanted}
    )
    accounts = [row for row in found.order_by(*ORDER) if (row.kind, row.key, row.year_from) in kinds]
    limits = {row.pk: kinds[row.kind, row.key, row.year_from].limit_minor for row in accounts}
    for account in accounts:
        _follow(account, limits[account.pk])
    (deductible,) = [row for row in accounts if row.kind == BenefitKind.DEDUCTIBLE]
    return Benefits(deductible, tuple(row for row in accounts if row.kind != BenefitKind.DEDUCTIBLE), limits)


def benefits_hold(
    *,
    benefits: Benefits,
    cause_id: UUID,
    episode: int,
    deductible_minor: int,
    payable_minor: int,
    by: str,
    now: datetime,
) -> None:
    """Keep these amounts for `cause_id`, from what `benefits` has locked. The same hold again changes nothing.

    Raises BenefitExhausted, BenefitHeldOtherwise.
    """
    accounts = {one.pk: one for one in (benefits.deductible, *benefits.caps)}
    amounts = {key: deductible_minor if key == benefits.deductible.pk else payable_minor for key in accounts}
    standings = _standings(cause_id)
    if any(one.held or one.used or one.episode >= episode for one in standings):
        has = {one.account.pk: one.first_held for one in standings if one.episode == episode}
        if has == {key: amount for key, amount in amounts.items() if amount} and any(
            one.held or one.used for one in standings
        ):
            return
        raise BenefitHeldOtherwise(cause_id=cause_id, episode=episode, state="held")
    _room_check(benefits, amounts)
    _move([(accounts[key], Move.HOLD, episode, amount) for key, amount in amounts.items()], cause_id, by, now)
    for key, amount in amounts.items():
        accounts[key].held_minor += amount


def benefits_import(
    *, benefits: Benefits, cause_id: UUID, deductible_minor: int, payable_minor: int, by: str, now: datetime
) -> None:
    """What was used before the platform knew the policy, from what `benefits` has locked; `cause_id` names the row of
    the import. The same again changes nothing. Raises BenefitExhausted, BenefitHeldOtherwise.
    """
    accounts = {one.pk: one for one in (benefits.deductible, *benefits.caps)}
    amounts = {key: deductible_minor if key == benefits.deductible.pk else payable_minor for key in accounts}
    told = {key: amount for key, amount in amounts.items() if amount}
    moves = BenefitMove.objects.filter(cause_id=cause_id)
    has = {move.account_id: move.amount_minor for move in moves if move.kind == Move.IMPORT}
    if has:
        if has != told:
            raise BenefitHeldOtherwise(cause_id=cause_id, episode=1, state="imported")
        return
    _room_check(benefits, amounts)
    _move([(accounts[key], Move.IMPORT, 1, amount) for key, amount in amounts.items()], cause_id, by, now)
    for key, amount in amounts.items():
        accounts[key].used_minor += amount


@transaction.atomic
def benefits_release(*, cause_id: UUID, by: str, now: datetime) -> None:
    """What the cause still holds is free again; nothing held, nothing done."""
    moves = [(one.account, Move.RELEASE, one.episode, one.held) for one in _standings(cause_id)]
    _move(moves, cause_id, by, now)


@transaction.atomic
def benefits_use(*, cause_id: UUID, deductible_minor: int, payable_minor: int, by: str, now: datetime) -> None:
    """Of what the cause holds these amounts are used, the rest is free again. The same again changes nothing.

    Raises BenefitNotHeld, BenefitHeldOtherwise.
    """
    standings = _latest(_standings(cause_id))
    asked = {True: deductible_minor, False: payable_minor}
    pairs = [(one, asked[one.account.kind == BenefitKind.DEDUCTIBLE]) for one in standings]
    if standings and not any(one.held for one in standings):
        if all(one.used == amount for one, amount in pairs):
            return
        raise BenefitHeldOtherwise(cause_id=cause_id, episode=standings[0].episode, state="used")
    for is_deductible, amount in asked.items():
        held = [one.held for one in standings if (one.account.kind == BenefitKind.DEDUCTIBLE) == is_deductible]
        if amount > min(held, default=0):
            raise BenefitNotHeld(
                cause_id=cause_id,
                benefit="DEDUCTIBLE" if is_deductible else "CAPS",
                held_minor=min(held, default=0),
                wanted_minor=amount,
            )
    used = [(one.account, Move.USE, one.episode, amount) for one, amount in pairs]
    rest = [(one.account, Move.RELEASE, one.episode, one.held - amount) for one, amount in pairs]
    _move([*used, *rest], cause_id, by, now)


@transaction.atomic
def benefits_give_back(*, cause_id: UUID, by: str, now: datetime) -> None:
    """What the cause has used is free again: a confirmation was undone. Nothing used, nothing done."""
    moves = [(one.account, Move.GIVE_BACK, one.episode, one.used) for one in _standings(cause_id)]
    _move(moves, cause_id, by, now)


def _wanted(policy: Policy, listed: Listed, terms: TermsOfProduct, on: date) -> list[_Wanted]:
    year = policy_year_from(policy=policy, on=on)
    wanted = [
        _Wanted(BenefitKind.DEDUCTIBLE, "", year, terms.deductible_minor),
        _Wanted(BenefitKind.SUM_INSURED, "", policy.starts_on, policy.sum_insured_minor),
    ]
    if listed.cap_minor is not None:
        wanted.append(_Wanted(BenefitKind.DRUG_CAP, listed.drug, year, listed.cap_minor))
    category_cap = terms.category_caps_minor.get(listed.category)
    if category_cap is not None:
        wanted.append(_Wanted(BenefitKind.CATEGORY_CAP, listed.category, year, category_cap))
    if terms.annual_cap_minor is not None:
        wanted.append(_Wanted(BenefitKind.ANNUAL_CAP, "", year, terms.annual_cap_minor))
    return wanted


def _follow(account: BenefitAccount, limit_minor: int) -> None:
    """The stored limit follows the terms, and is never below what was drawn under earlier ones."""
    stored = max(limit_minor, account.held_minor + account.used_minor)
    if account.limit_minor != stored:
        account.limit_minor = stored
        account.save(update_fields=["limit_minor"])


def _room_check(benefits: Benefits, amounts: Mapping[UUID, int]) -> None:
    for account in (benefits.deductible, *benefits.caps):
        left, wanted = benefits.left_minor(account), amounts[account.pk]
        if wanted > left:
            raise BenefitExhausted(benefit=account.kind, left_minor=left, wanted_minor=wanted)


def _latest(standings: list[_Standing]) -> list[_Standing]:
    """Those of the cause's latest episode: a claim that was reopened may draw on other counts than before."""
    latest = max((one.episode for one in standings), default=0)
    return [one for one in standings if one.episode == latest]


def _standings(cause_id: UUID) -> list[_Standing]:
    """What the cause has of each count that it ever moved; the counts locked in key order."""
    touched = BenefitMove.objects.filter(cause_id=cause_id).values("account_id")
    accounts = BenefitAccount.objects.select_for_update().filter(pk__in=touched).order_by(*ORDER)
    standings = {account.pk: _Standing(account) for account in accounts}
    by_episode: dict[tuple[UUID, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for move in BenefitMove.objects.filter(cause_id=cause_id).exclude(kind=Move.IMPORT):
        by_episode[move.account_id, move.episode][move.kind] += move.amount_minor
    for (key, episode), sums in sorted(by_episode.items(), key=lambda item: item[0][1]):
        one = standings[key]
        one.episode, one.first_held = episode, sums[Move.HOLD]
        one.held = sums[Move.HOLD] - sums[Move.RELEASE] - sums[Move.USE]
        one.used = sums[Move.USE] - sums[Move.GIVE_BACK]
    return list(standings.values())


def _move(
    moves: Iterable[tuple[BenefitAccount, BenefitMoveKind, int, int]], cause_id: UUID, by: str, now: datetime
) -> None:
    rows_insert(
        [
            BenefitMove(
                id=uuid7(now),
                account_id=account.pk,
                organisation_id=account.organisation_id,
                cause_id=cause_id,
                kind=kind,
                episode=episode,
                amount_minor=amount,
                at=now,
                by=by,
            )
            for account, kind, episode, amount in moves
            if amount > 0
        ]
    )
