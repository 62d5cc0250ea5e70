"""用药授权: granted once, used cycle by cycle, with what was supplied."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from core.errors import Conflict, NotFound, Problem
from core.ids import uuid7
from core.transitions import write_many
from registry.models import Authorisation, Drug, Policy
from registry.selectors.authorisations import supplied_until
from registry.states import AuthorisationState


class AuthorisationInvalid(Problem):
    code = "authorisation_invalid"
    status = 422
    title = "This cannot be authorised"
    detail = "{explanation}"
    detail_zh = "用药授权无效：{explanation_zh}"
    fix = "Correct what the detail names; nothing was stored."
    fix_zh = "请按说明更正；本次未保存任何内容。"


class AuthorisationRuns(Conflict):
    code = "authorisation_runs"
    title = "There is a running authorisation already"
    detail = "This person has a running authorisation for {drug} on that policy."
    detail_zh = "该被保险人在此保单下已有 {drug} 的有效用药授权。"
    fix = "Use it, or end it before another is granted."
    fix_zh = "请使用现有授权，或先终止后再新授。"


class AuthorisationNotOpen(Conflict):
    code = "authorisation_not_open"
    title = "The authorisation does not allow that now"
    detail = "Authorisation {authorisation_id} is {state}, with {used} of {cycles} cycles used."
    detail_zh = "用药授权 {authorisation_id} 状态为 {state}，已用 {used}/{cycles} 个周期。"
    fix = "Look at it as it is now; a new regimen needs a new authorisation."
    fix_zh = "请查看当前状态；新的用药方案需要新的授权。"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorisationDraft:
    """Quantities in units of the drug. "Paid n, free m": after n paid cycles m come from charity."""

    policy_id: UUID
    person_id: UUID
    drug_code: str
    icd10: str
    regimen: str
    cycles: int
    quantity_per_cycle: int
    days_per_cycle: int
    valid_from: date
    valid_until: date
    re_evaluate_after_cycles: int
    dose_change_basis_points: int = 0
    charity_paid_cycles: int = 0
    charity_free_cycles: int = 0


def authorisation_grant(*, draft: AuthorisationDraft, by: str, now: datetime, trace_id: str) -> Authorisation:
    """Raises NotFound, AuthorisationInvalid, AuthorisationRuns."""
    policy = Policy.objects.filter(pk=draft.policy_id).first()
    if policy is None:
        raise NotFound(noun="policy", noun_zh="保单", key=draft.policy_id)
    _check(draft, policy)
    authorisation = Authorisation(
        id=uuid7(now),
        organisation_id=policy.organisation_id,
        policy=policy,
        person_id=draft.person_id,
        drug_id=draft.drug_code,
        icd10=draft.icd10.strip().upper(),
        regimen=draft.regimen.strip(),
        cycles=draft.cycles,
        quantity_per_cycle=draft.quantity_per_cycle,
        days_per_cycle=draft.days_per_cycle,
        valid_from=draft.valid_from,
        valid_until=draft.valid_until,
        re_evaluate_after_cycles=draft.re_evaluate_after_cycles,
        dose_change_basis_points=draft.dose_change_basis_points,
        charity_paid_cycles=draft.charity_paid_cycles,
        charity_free_cycles=draft.charity_free_cycles,
        created_at=now,
        state_at=now,
        state_by=by,
        trace_id=trace_id,
    )
    try:
        with transaction.atomic():
            authorisation.save(force_insert=True)
    except IntegrityError as error:
        if "one_running_authorisation_each" not in str(error):
            raise
        raise AuthorisationRuns(drug=draft.drug_code) from None
    return authorisation


@transaction.atomic
def cycle_used(*, authorisation_id: UUID, cycle_no: int, by: str, now: datetime, trace_id: str) -> Authorisation:
    """Cycle `cycle_no` was approved: the next one counts from it; after the last one the authorisation ends.

    A cycle that was used before changes nothing. Raises NotFound, AuthorisationNotOpen for one out of turn.
    """
    row = _locked(authorisation_id)
    if 1 <= cycle_no <= row.cycles_used:
        return row
    if row.state != AuthorisationState.ACTIVE or cycle_no != row.cycles_used + 1 or cycle_no > row.cycles:
        raise _not_open(row)
    row.cycles_used = cycle_no
    if row.cycles_used == row.cycles:
        row.end()
        row.moved(now=now, by=by, reason="used_up")
        row.trace_id = trace_id
    write_many([row], fields=["state", "cycles_used", "trace_id"])
    return row


@transaction.atomic
def supply_recorded(*, authorisation_id: UUID, on: date, days: int, now: datetime) -> Authorisation:
    """Boxes for `days` were picked up on that day, paid or from charity. What was left over adds to them.

    Raises NotFound, AuthorisationInvalid.
    """
    row = _locked(authorisation_id)
    if days <= 0 or (row.last_supply_on is not None and on < row.last_supply_on):
        raise AuthorisationInvalid(
            explanation="A supply is of days above zero, and not before the last one.",
            explanation_zh="供药天数须大于零，且不得早于上次供药日。",
        )
    until = supplied_until(authorisation=row)
    left_over = max(0, (until - on).days) if until is not None else 0
    row.last_supply_on, row.last_supply_days = on, days + left_over
    write_many([row], fields=["last_supply_on", "last_supply_days"])
    return row


@transaction.atomic
def supply_taken_back(
    *, authorisation_id: UUID, of: tuple[date, int], back_to: tuple[date | None, int], now: datetime
) -> Authorisation:
    """The boxes of supply `of` (its day and days) came back: what stood before stands again, unless more was picked up
    since. Raises NotFound."""
    row = _locked(authorisation_id)
    if (row.last_supply_on, row.last_supply_days) == of:
        row.last_supply_on, row.last_supply_days = back_to
        write_many([row], fields=["last_supply_on", "last_supply_days"])
    return row


@transaction.atomic
def authorisation_suspend(
    *, authorisation_id: UUID, reason: str, by: str, now: datetime, trace_id: str
) -> Authorisation:
    """A person has to look first. Raises NotFound, AuthorisationNotOpen."""
    row = _locked(authorisation_id, AuthorisationState.ACTIVE)
    row.suspend()
    return _moved(row, reason, by, now, trace_id)


@transaction.atomic
def authorisation_resume(
    *, authorisation_id: UUID, reason: str, by: str, now: datetime, trace_id: str
) -> Authorisation:
    """The next cycle may be asked for again. Raises NotFound, AuthorisationNotOpen."""
    row = _locked(authorisation_id, AuthorisationState.SUSPENDED)
    row.resume()
    return _moved(row, reason, by, now, trace_id)


@transaction.atomic
def authorisation_end(*, authorisation_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> Authorisation:
    """No further cycle. Raises NotFound, AuthorisationNotOpen."""
    row = _locked(authorisation_id, AuthorisationState.ACTIVE, AuthorisationState.SUSPENDED)
    row.end()
    return _moved(row, reason, by, now, trace_id)


def authorisations_end_of(*, person_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> int:
    """End all that run for a person; returns how many. Needs an open transaction."""
    running = Authorisation.objects.select_for_update().filter(person_id=person_id)
    rows = list(running.exclude(state=AuthorisationState.ENDED).order_by("id"))
    for row in rows:
        row.end()
        row.moved(now=now, by=by, reason=reason)
        row.trace_id = trace_id
    write_many(rows, fields=["state", "trace_id"])
    return len(rows)


def _locked(authorisation_id: UUID, *states: AuthorisationState) -> Authorisation:
    row = Authorisation.objects.select_for_update().filter(pk=authorisation_id).first()
    if row is None:
        raise NotFound(noun="authorisation", noun_zh="用药授权", key=authorisation_id)
    if states and row.state not in states:
        raise _not_open(row)
    return row


def _moved(row: Authorisation, reason: str, by: str, now: datetime, trace_id: str) -> Authorisation:
    row.moved(now=now, by=by, reason=reason)
    row.trace_id = trace_id
    write_many([row], fields=["state", "trace_id"])
    return row


def _not_open(row: Authorisation) -> AuthorisationNotOpen:
    return AuthorisationNotOpen(authorisation_id=row.pk, state=row.state, used=row.cycles_used, cycles=row.cycles)


def _check(draft: AuthorisationDraft, policy: Policy) -> None:
    numbers = (draft.cycles, draft.quantity_per_cycle, draft.days_per_cycle, draft.re_evaluate_after_cycles)
    if min(numbers) < 1 or not draft.icd10.strip() or not draft.regimen.strip():
        raise AuthorisationInvalid(
            explanation="Cycles, quantity, days and re-evaluation are at least 1; diagnosis and regimen are named.",
            explanation_zh="周期数、数量、天数和复评间隔至少为 1，且须填写诊断编码和用药方案。",
        )
    if draft.valid_until < draft.valid_from:
        raise AuthorisationInvalid(explanation="It ends before it starts.", explanation_zh="截止日早于起始日。")
    if (draft.charity_paid_cycles == 0) != (draft.charity_free_cycles == 0):
        raise AuthorisationInvalid(
            explanation="Charity cycles are named as paid n and free m, or not at all.",
            explanation_zh="慈善赠药须同时填写“付 n 赠 m”的两个数，或都不填。",
        )
    if not Drug.objects.filter(pk=draft.drug_code).exists():
        raise AuthorisationInvalid(
            explanation="The drug is not in the catalogue.", explanation_zh="药品目录中没有该药品。"
        )
    if not policy.members.filter(person_id=draft.person_id).exists():
        raise AuthorisationInvalid(
            explanation="The person is not on the policy.", explanation_zh="该人员不是此保单的被保险人。"
        )
