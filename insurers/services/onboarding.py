"""How an insurer comes in, step by step, and who may take each step."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.selectors import organisation_time_zone
from accounts.services import audit_write
from accounts.states import OrganisationKind, Role
from core.errors import Conflict, Forbidden, NotFound, Problem
from core.ids import uuid7
from insurers.models import Condition, Onboarding, OpenedModule, StageGrant
from insurers.states import (
    RESUME,
    ConditionKind,
    ConditionVerdict,
    Module,
    OnboardingState,
    StageGrantSource,
)

if TYPE_CHECKING:
    from accounts.models import User

# Who of the platform looks at what: nobody can let an insurer in alone.
CHECKERS: dict[str, Role] = {
    ConditionKind.LICENCE: Role.OPERATOR,
    ConditionKind.CONTRACT: Role.OPERATOR,
    ConditionKind.ACCOUNT: Role.AUDITOR,
    ConditionKind.CONTACT: Role.SECURITY_ADMINISTRATOR,
    ConditionKind.MODULES: Role.SYSTEM_ADMINISTRATOR,
}
# Who of the insurer hands in, chooses modules and grants authority.
APPLICANTS = (Role.SYSTEM_ADMINISTRATOR, Role.SECURITY_ADMINISTRATOR)
ENDS = (ConditionKind.LICENCE, ConditionKind.CONTRACT)


class AlreadyApplied(Conflict):
    code = "already_applied"
    title = "The insurer has applied already"
    detail = "There is an application of {organisation} already."
    detail_zh = "{organisation} 已提交过入驻申请。"
    fix = "Open it and hand in what is missing."
    fix_zh = "请打开该申请并补交所缺材料。"


class ConditionUnclear(Problem):
    code = "condition_unclear"
    status = 422
    title = "The condition cannot be taken like this"
    detail = "{explanation}"
    detail_zh = "该条件不明确：{explanation_zh}"
    fix = "Correct what the detail names and hand it in again."
    fix_zh = "请按说明更正后重新提交。"


class OwnPaper(Conflict):
    code = "own_paper"
    title = "Somebody else has to look at it"
    detail = "{explanation}"
    detail_zh = "须由他人审核：{explanation_zh}"
    fix = "Ask a colleague with the role for it."
    fix_zh = "请由具有相应角色的其他同事处理。"


class ConditionsOpen(Conflict):
    code = "conditions_open"
    title = "Conditions are open"
    detail = "Not yet met: {kinds}."
    detail_zh = "尚未满足的条件：{kinds}。"
    fix = "Have them met and checked first."
    fix_zh = "请先补齐并通过核查。"


class StepNotNext(Conflict):
    code = "step_not_next"
    title = "That is not the next step"
    detail = "The insurer is {state}; {step} does not follow from there."
    detail_zh = "当前状态为 {state}，不能进行 {step}。"
    fix = "Take the steps in order: conditions, sandbox, certificate, live."
    fix_zh = "请按顺序办理：核查条件、沙箱、认证、上线。"


class GrantInvalid(Conflict):
    code = "grant_invalid"
    title = "Nothing proves that step"
    detail = "{explanation}"
    detail_zh = "缺少授予依据：{explanation_zh}"
    fix = "Certify the insurer by a conformance run."
    fix_zh = "请通过一致性测试完成认证。"


@transaction.atomic
def onboarding_apply(*, modules: Collection[Module], user: User, now: datetime, trace_id: str) -> Onboarding:
    """The application of the user's insurer, with the modules it wants. Raises Forbidden, AlreadyApplied."""
    _insurers_own(user, "apply")
    onboarding = Onboarding(
        id=uuid7(now),
        organisation_id=user.organisation_id,
        applied_by=user.username,
        applied_at=now,
        state_at=now,
        state_by=user.username,
        trace_id=trace_id,
    )
    try:
        with transaction.atomic():
            onboarding.save(force_insert=True)
    except IntegrityError as error:
        raise AlreadyApplied(organisation=user.organisation.code) from error
    for kind in ConditionKind:
        Condition.objects.create(
            id=uuid7(now), onboarding=onboarding, organisation_id=onboarding.organisation_id, kind=kind
        )
    for module in sorted(modules):
        _module_open(onboarding, module, user, now)
    _audit(onboarding, "onboarding.applied", user, now, trace_id, modules=sorted(modules))
    return onboarding


@transaction.atomic
def condition_hand_in(
    *,
    onboarding_id: UUID,
    kind: ConditionKind,
    reference: str,
    valid_until: date | None,
    user: User,
    now: datetime,
    trace_id: str,
) -> Condition:
    """What the insurer shows for a condition; a new paper is looked at anew. Raises Forbidden, ConditionUnclear."""
    _insurers_own(user, "hand in conditions")
    onboarding = _locked(onboarding_id)
    if not reference.strip():
        raise ConditionUnclear(explanation="The number of the paper is missing.", explanation_zh="缺少材料编号。")
    if kind in ENDS and (valid_until is None or valid_until < _today(onboarding, now)):
        raise ConditionUnclear(
            explanation="A licence or contract has a last day, which has not passed.",
            explanation_zh="许可证或合同须注明有效期，且尚未到期。",
        )
    if onboarding.state not in (OnboardingState.APPLIED, OnboardingState.CONDITIONS_CHECKED):
        raise StepNotNext(state=onboarding.state, step="condition")
    condition = _condition(onboarding, kind)
    condition.verdict, condition.why = ConditionVerdict.HANDED_IN, ""
    condition.reference, condition.valid_until = reference.strip(), valid_until
    condition.handed_in_by, condition.handed_in_at = user.username, now
    condition.checked_by, condition.checked_at = "", None
    condition.save()
    if onboarding.state == OnboardingState.CONDITIONS_CHECKED:
        onboarding.reopen_conditions()
        _moved(onboarding, user, now, trace_id, "new paper")
    _audit(onboarding, "condition.handed_in", user, now, trace_id, kind=kind)
    return condition


@transaction.atomic
def condition_check(
    *, onboarding_id: UUID, kind: ConditionKind, met: bool, why: str, user: User, now: datetime, trace_id: str
) -> Onboarding:
    """The platform's verdict on a condition; with the last one met, the conditions are closed.

    Raises Forbidden (wrong role), OwnPaper, ConditionUnclear (nothing handed in, refusal without a reason).
    """
    _platforms(user, CHECKERS[kind], f"check {kind}")
    onboarding = _locked(onboarding_id)
    condition = _condition(onboarding, kind)
    _check_allowed(onboarding, condition, met, why, user, now)
    condition.verdict = ConditionVerdict.MET if met else ConditionVerdict.REFUSED
    condition.why = "" if met else why.strip()
    condition.checked_by, condition.checked_at = user.username, now
    condition.save()
    _audit(onboarding, "condition.checked", user, now, trace_id, kind=kind, met=met)
    if not _open_conditions(onboarding, now) and onboarding.state == OnboardingState.APPLIED:
        onboarding.close_conditions()
        _moved(onboarding, user, now, trace_id, "all conditions met")
    return onboarding


def _check_allowed(
    onboarding: Onboarding, condition: Condition, met: bool, why: str, user: User, now: datetime
) -> None:
    if onboarding.state != OnboardingState.APPLIED:
        raise StepNotNext(state=onboarding.state, step="check")
    if condition.verdict == ConditionVerdict.MISSING:
        raise ConditionUnclear(explanation="Nothing was handed in for it.", explanation_zh="该条件尚未提交材料。")
    if not met and not why.strip():
        raise ConditionUnclear(explanation="A refusal says why.", explanation_zh="不予通过须说明原因。")
    if met and condition.valid_until is not None and condition.valid_until < _today(onboarding, now):
        raise ConditionUnclear(explanation="Its last day has passed.", explanation_zh="该材料已过期。")
    if condition.handed_in_by == user.username:
        raise OwnPaper(explanation="Nobody checks what he handed in.", explanation_zh="提交材料的人不能自己核查。")
    pair = {ConditionKind.CONTRACT: ConditionKind.ACCOUNT, ConditionKind.ACCOUNT: ConditionKind.CONTRACT}
    other = pair.get(ConditionKind(condition.kind))
    if met and other and _condition(onboarding, other).checked_by == user.username:
        raise OwnPaper(
            explanation="Contract and account are checked by two persons.",
            explanation_zh="合同与收款账户须由不同人员核查。",
        )


@transaction.atomic
def sandbox_open(*, onboarding_id: UUID, user: User, now: datetime, trace_id: str) -> Onboarding:
    """Let the insurer use the sandbox. Raises Forbidden, StepNotNext, ConditionsOpen when one lapsed meanwhile."""
    _platforms(user, Role.OPERATOR, "open the sandbox")
    onboarding = _locked(onboarding_id)
    if onboarding.state != OnboardingState.CONDITIONS_CHECKED:
        raise StepNotNext(state=onboarding.state, step=OnboardingState.SANDBOX)
    if open_kinds := _open_conditions(onboarding, now):
        raise ConditionsOpen(kinds=", ".join(open_kinds))
    onboarding.open_sandbox()
    _moved(onboarding, user, now, trace_id, "")
    return onboarding


@transaction.atomic
def stage_grant(
    *,
    onboarding_id: UUID,
    stage: OnboardingState,
    source: StageGrantSource,
    user: User,
    now: datetime,
    trace_id: str,
) -> Onboarding:
    """CERTIFIED or LIVE. Until there are conformance runs only a DEMO grants them, and never in production.

    Raises Forbidden, GrantInvalid, StepNotNext.
    """
    _platforms(user, Role.OPERATOR, f"grant {stage}")
    if source != StageGrantSource.DEMO:
        raise GrantInvalid(
            explanation="There is no conformance run of it yet.", explanation_zh="尚无对应的一致性测试结果。"
        )
    if settings.ENVIRONMENT == "production":
        raise GrantInvalid(
            explanation="A DEMO grant proves nothing in production.", explanation_zh="演示授权在生产环境中无效。"
        )
    onboarding = _locked(onboarding_id)
    follows = {OnboardingState.CERTIFIED: OnboardingState.SANDBOX, OnboardingState.LIVE: OnboardingState.CERTIFIED}
    if follows.get(stage) != onboarding.state:
        raise StepNotNext(state=onboarding.state, step=stage)
    StageGrant.objects.create(
        id=uuid7(now),
        onboarding=onboarding,
        organisation_id=onboarding.organisation_id,
        stage=stage,
        source=source,
        by=user.username,
        at=now,
    )
    if stage == OnboardingState.CERTIFIED:
        onboarding.certify()
    else:
        onboarding.go_live()
    _moved(onboarding, user, now, trace_id, source)
    return onboarding


@transaction.atomic
def onboarding_suspend(*, onboarding_id: UUID, reason: str, user: User, now: datetime, trace_id: str) -> Onboarding:
    """Stop an insurer: nothing new is pushed to it. Raises Forbidden, StepNotNext."""
    _platforms(user, Role.OPERATOR, "suspend an insurer")
    onboarding = _locked(onboarding_id)
    if onboarding.state == OnboardingState.SUSPENDED:
        raise StepNotNext(state=onboarding.state, step=OnboardingState.SUSPENDED)
    onboarding.state_before = onboarding.state
    onboarding.suspend()
    _moved(onboarding, user, now, trace_id, reason)
    return onboarding


@transaction.atomic
def onboarding_resume(*, onboarding_id: UUID, reason: str, user: User, now: datetime, trace_id: str) -> Onboarding:
    """Back to the state before the suspension. Raises Forbidden, StepNotNext."""
    _platforms(user, Role.OPERATOR, "resume an insurer")
    onboarding = _locked(onboarding_id)
    if onboarding.state != OnboardingState.SUSPENDED:
        raise StepNotNext(state=onboarding.state, step="resume")
    getattr(onboarding, RESUME[OnboardingState(onboarding.state_before)])()
    onboarding.state_before = ""
    _moved(onboarding, user, now, trace_id, reason)
    return onboarding


@transaction.atomic
def module_set(*, onboarding_id: UUID, module: Module, is_open: bool, user: User, now: datetime, trace_id: str) -> None:
    """Switch a module of the user's insurer on or off. Setting what is set already does nothing. Raises Forbidden."""
    _insurers_own(user, "choose modules")
    onboarding = _locked(onboarding_id)
    opened = OpenedModule.objects.filter(onboarding=onboarding, module=module, closed_at__isnull=True).first()
    if (opened is not None) == is_open:
        return
    if opened is None:
        _module_open(onboarding, module, user, now)
    else:
        opened.closed_by, opened.closed_at = user.username, now
        opened.save(update_fields=["closed_by", "closed_at"])
    _audit(onboarding, "module.opened" if is_open else "module.closed", user, now, trace_id, module=module)


def _module_open(onboarding: Onboarding, module: Module, user: User, now: datetime) -> None:
    OpenedModule.objects.create(
        onboarding=onboarding,
        organisation_id=onboarding.organisation_id,
        module=module,
        opened_by=user.username,
        opened_at=now,
    )


def _insurers_own(user: User, act: str) -> None:
    if user.organisation.kind != OrganisationKind.INSURER or not user.has_role(*APPLICANTS):
        raise Forbidden(subject="user", act=act)


def _platforms(user: User, role: Role, act: str) -> None:
    if user.organisation.kind != OrganisationKind.PLATFORM or not user.has_role(role):
        raise Forbidden(subject="user", act=act)


def _locked(onboarding_id: UUID) -> Onboarding:
    onboarding = Onboarding.objects.select_for_update().filter(pk=onboarding_id).first()
    if onboarding is None:
        raise NotFound(noun="application", noun_zh="入驻申请", key=onboarding_id)
    return onboarding


def _condition(onboarding: Onboarding, kind: ConditionKind) -> Condition:
    return Condition.objects.select_for_update().get(onboarding=onboarding, kind=kind)


def _today(onboarding: Onboarding, now: datetime) -> date:
    return now.astimezone(ZoneInfo(organisation_time_zone(onboarding.organisation_id))).date()


def _open_conditions(onboarding: Onboarding, now: datetime) -> list[str]:
    """Kinds that are not met, or were and have run out, in the order of the vocabulary."""
    today = _today(onboarding, now)
    rows = {row.kind: row for row in Condition.objects.filter(onboarding=onboarding)}
    return [
        kind.value
        for kind in ConditionKind
        if rows[kind].verdict != ConditionVerdict.MET or (rows[kind].valid_until or today) < today
    ]


def _moved(onboarding: Onboarding, user: User, now: datetime, trace_id: str, reason: str) -> None:
    onboarding.moved(now=now, by=user.username, reason=reason)
    onboarding.trace_id = trace_id
    onboarding.version += 1
    onboarding.save()
    _audit(onboarding, "onboarding.moved", user, now, trace_id, to=onboarding.state)


def _audit(onboarding: Onboarding, action: str, user: User, now: datetime, trace_id: str, **details: object) -> None:
    audit_write(
        actor=user.username,
        organisation_id=onboarding.organisation_id,
        action=action,
        subject=str(onboarding.pk),
        details=details,
        now=now,
        trace_id=trace_id,
    )
