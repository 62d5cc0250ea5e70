"""The demo's insurer whose own system decides on claims: onboarded by the steps that every insurer takes."""

from __future__ import annotations

import secrets
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from accounts.selectors import user_by_username
from accounts.services import user_create
from accounts.states import Role
from core.ids import new_trace_id
from exchange.services.interfaces import interface_define, interface_key_add
from insurers.selectors.onboarding import onboardings_visible_to
from insurers.services.inbound import callback_key_add
from insurers.services.onboarding import (
    CHECKERS,
    condition_check,
    condition_hand_in,
    onboarding_apply,
    sandbox_open,
    stage_grant,
)
from insurers.states import ConditionKind, Module, OnboardingState, StageGrantSource
from journal.services import lane_define

if TYPE_CHECKING:
    from accounts.models import User
    from ops.services.demo import SandboxInsurer

PAPERS_UNTIL = date(2030, 12, 31)
# Who checks what of an insurer's conditions, on the platform's side.
OFFICERS = (
    (Role.OPERATOR, "operator", "Operator", "运营"),
    (Role.AUDITOR, "auditor", "Auditor", "审计员"),
    (Role.SECURITY_ADMINISTRATOR, "security", "Security administrator", "安全管理员"),
    (Role.SYSTEM_ADMINISTRATOR, "system", "System administrator", "系统管理员"),
)


def docked_seed(
    *, insurer: SandboxInsurer, organisation_id: int, applicant: str, platform_id: int, group: Any, now: datetime
) -> None:
    """Bring the insurer in with the module `claim` and its keys, where that has not been done; its address is new."""
    lane = lane_define(code=insurer.code.lower(), group=group, cap_in_flight=50)
    interface = interface_define(code=insurer.code, insurer_id=organisation_id, lane=lane, base_url=insurer.url)
    interface_key_add(interface=interface, key_id=insurer.key_id, secret=insurer.secret, now=now)
    callback_key_add(organisation_id=organisation_id, key_id=insurer.key_id, secret=insurer.secret, now=now)
    officers, guard = _officers(platform_id, now), _user(applicant)
    if not onboardings_visible_to(user=guard).filter(organisation_id=organisation_id).exists():
        _onboard(guard, officers, now)


def _onboard(applicant: User, officers: dict[str, User], now: datetime) -> None:
    sign: dict[str, Any] = {"now": now, "trace_id": new_trace_id()}
    row = onboarding_apply(modules=[Module.CLAIM], user=applicant, **sign)
    sign["onboarding_id"] = row.pk
    for kind in ConditionKind:
        condition_hand_in(kind=kind, reference=f"DEMO-{kind}", valid_until=PAPERS_UNTIL, user=applicant, **sign)
        condition_check(kind=kind, met=True, why="", user=officers[CHECKERS[kind]], **sign)
    operator = officers[Role.OPERATOR]
    sandbox_open(user=operator, **sign)
    for stage in (OnboardingState.CERTIFIED, OnboardingState.LIVE):
        stage_grant(stage=stage, source=StageGrantSource.DEMO, user=operator, **sign)


def _officers(platform_id: int, now: datetime) -> dict[str, User]:
    """By role. Their pages are not built: nobody is told a password of theirs."""
    for role, username, name, name_zh in OFFICERS:
        if user_by_username(username=username) is None:
            user_create(
                username=username,
                display_name=f"{name} {name_zh}",
                organisation_id=platform_id,
                roles=[role],
                password=f"demo-{secrets.token_urlsafe(12)}",
                actor="demo",
                now=now,
            )
    return {role: _user(username) for role, username, _, _ in OFFICERS}


def _user(username: str) -> User:
    user = user_by_username(username=username)
    if user is None:
        raise LookupError(f"the demo has no user {username}")
    return user
