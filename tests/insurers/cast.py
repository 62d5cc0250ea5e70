"""Who plays in the insurers' tests: two insurers and the platform's people, each with one name per role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from accounts.models import Organisation, User
from accounts.services import organisation_create, user_create
from accounts.states import OrganisationKind, Role

NOW = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
PASSWORD = "correct-horse-47-staple"
TRACE = "0123456789abcdef"


@dataclass(frozen=True)
class Cast:
    insurer: Organisation
    stranger: Organisation
    platform: Organisation
    clerk: User
    second: User
    admin: User  # Of the insurer: applies, hands in, chooses modules.
    guard: User  # Of the insurer: grants authority.
    stranger_clerk: User
    stranger_guard: User
    operator: User
    operator_two: User
    auditor: User
    security: User
    system: User


def organisation(code: str, kind: OrganisationKind, name: str, name_zh: str, *, now: datetime = NOW) -> Organisation:
    return organisation_create(code=code, kind=kind, name=name, name_zh=name_zh, actor="platform", now=now)


def person(username: str, name: str, home: Organisation, roles: Sequence[Role], *, now: datetime = NOW) -> User:
    return user_create(
        username=username,
        display_name=name,
        organisation_id=home.pk,
        roles=roles,
        password=PASSWORD,
        actor="platform",
        now=now,
    )


def make_cast(*, now: datetime = NOW, code: str = "SANDBOX-A") -> Cast:
    insurer = organisation(code, OrganisationKind.INSURER, "Sandbox Insurer", "沙箱保险", now=now)
    stranger = organisation("INS-B", OrganisationKind.INSURER, "Other Insurer", "他方保险", now=now)
    platform = organisation("PLATFORM", OrganisationKind.PLATFORM, "MediSettle", "平台", now=now)

    def of(home: Organisation, username: str, name: str, *roles: Role) -> User:
        return person(username, name, home, roles, now=now)

    return Cast(
        insurer=insurer,
        stranger=stranger,
        platform=platform,
        clerk=of(insurer, "ji", "季风", Role.INSURER_CLERK),
        second=of(insurer, "yan", "严明", Role.INSURER_CLERK),
        admin=of(insurer, "guan", "关山", Role.SYSTEM_ADMINISTRATOR),
        guard=of(insurer, "shou", "守一", Role.SECURITY_ADMINISTRATOR),
        stranger_clerk=of(stranger, "wai", "外川", Role.INSURER_CLERK),
        stranger_guard=of(stranger, "lin", "林远", Role.SECURITY_ADMINISTRATOR),
        operator=of(platform, "yun", "云飞", Role.OPERATOR),
        operator_two=of(platform, "ying", "应宁", Role.OPERATOR),
        auditor=of(platform, "shen", "沈计", Role.AUDITOR),
        security=of(platform, "an", "安澜", Role.SECURITY_ADMINISTRATOR),
        system=of(platform, "xi", "习远", Role.SYSTEM_ADMINISTRATOR),
    )
