"""The demo's world: invented hospitals, insurers and people, set up through the same services as real ones."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.selectors import organisation_by_code, user_by_username
from accounts.services import client_key_check, client_key_create, organisation_create, user_create, user_password_set
from accounts.states import OrganisationKind, Role, Scope
from core.errors import Problem
from core.ids import new_trace_id
from exchange.services.interfaces import capabilities_grant, interface_define, interface_key_add, route_add
from exchange.states import GrantSource
from insurers.services.authority import AuthorityStands, authority_grant
from journal.services import lane_define, worker_group_define
from ops.services.docking import docked_seed
from ops.services.specialty import specialty_seed
from ops.services.specialty_claims import specialty_claims_seed
from ops.specialty_world import FREE_FROM, INSURERS, PRODUCTS, people, policy_no_of

BY = "demo"
GROUP = "main"
REGION = "110000"
ROUTES_FROM = date(2026, 1, 1)
HOSPITALS = (
    ("HOSP-A", "Demo Hospital East", "演示东区医院"),
    ("HOSP-B", "Demo Hospital West", "演示西区医院"),
)
SCHEMES = {"SANDBOX-A": "310", "SANDBOX-B": "390", "SANDBOX-C": "340", "SANDBOX-D": "380"}
ALONE_MINOR, SECOND_MINOR = 300_000, 100_000_000
PLATFORM = ("PLATFORM", "Demo Platform", "演示平台")
# Role, the beginning of the name for sign-in, display name, the portal.
Post = tuple[Role, str, str, str, str]
HOSPITAL_STAFF: tuple[Post, ...] = (
    (Role.HOSPITAL_CASHIER, "cashier", "Cashier", "收费员", "/hospital/"),
    (Role.HOSPITAL_BACK_OFFICE, "office", "Back office", "医保办", "/hospital/"),
)
INSURER_STAFF: tuple[Post, ...] = (
    (Role.INSURER_CLERK, "clerk", "Claims clerk", "理赔员", "/insurer/"),
    (Role.INSURER_CLERK, "chief", "Second clerk", "理赔复核员", "/insurer/"),
    (Role.SECURITY_ADMINISTRATOR, "guard", "Security administrator", "安全管理员", "/insurer/"),
)
PLATFORM_STAFF: tuple[Post, ...] = (
    (Role.REVIEWER, "reviewer", "Reviewer", "预审员", "/review/"),
    (Role.REVIEW_SUPERVISOR, "supervisor", "Supervisor of the pre-review", "预审主管", "/review/"),
)


class NotADemo(Problem):
    code = "not_a_demo"
    status = 403
    title = "This is no demo"
    detail = "The demo's world is set up only where MEDISETTLE_ENV is demo or test."
    detail_zh = "仅当 MEDISETTLE_ENV 为 demo 或 test 时才能建立演示数据。"
    fix = "Set MEDISETTLE_ENV to demo or test, and only on a machine without real data."
    fix_zh = "请仅在没有真实数据的机器上将 MEDISETTLE_ENV 设为 demo 或 test。"


@dataclass(frozen=True, slots=True)
class SandboxInsurer:
    """Where a sandbox insurer answers, its shared secret, and what its profile is able to do."""

    code: str
    url: str
    control_url: str
    key_id: str
    secret: bytes
    capabilities: Mapping[str, Any]

    @classmethod
    def of(cls, entry: Mapping[str, Any], capabilities: Mapping[str, Any]) -> SandboxInsurer:
        return cls(
            entry["code"],
            entry["url"],
            entry["control_url"],
            entry["key_id"],
            base64.b64decode(entry["secret"]),
            capabilities,
        )


def demo_seed(
    *, insurers: Sequence[SandboxInsurer], docked: Sequence[SandboxInsurer], known: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Set up or refresh the demo's world; returns demo.json without its addresses.

    `docked`: the systems of commercial insurers that decide on claims. `known` is an earlier result: keys and passwords
    that still hold are kept. Raises NotADemo in production.
    """
    if settings.ENVIRONMENT == "production":
        raise NotADemo
    with transaction.atomic():
        group = worker_group_define(code=GROUP, concurrency=2)
        for insurer in insurers:
            _insurer(insurer, group=group, now=now)
        hospitals: list[dict[str, Any]] = []
        logins: list[dict[str, Any]] = []
        for code, name, name_zh in HOSPITALS:
            organisation = _organisation(code, OrganisationKind.HOSPITAL, name, name_zh, now)
            key = _client_key(organisation.pk, code, known=known, now=now)
            hospitals.append({"code": code, "name": name, "client_key": key})
            logins += _logins(code, HOSPITAL_STAFF, organisation_id=organisation.pk, known=known, now=now)
        commercial: dict[str, int] = {}
        for code, name, name_zh in INSURERS:
            commercial[code] = _organisation(code, OrganisationKind.INSURER, name, name_zh, now).pk
            logins += _logins(code, INSURER_STAFF, organisation_id=commercial[code], known=known, now=now)
            _authorities(code[-1].lower(), now)
        platform = _organisation(PLATFORM[0], OrganisationKind.PLATFORM, PLATFORM[1], PLATFORM[2], now)
        logins += _logins(PLATFORM[0], PLATFORM_STAFF, organisation_id=platform.pk, known=known, now=now)
        for insurer in docked:
            docked_seed(
                insurer=insurer,
                organisation_id=commercial[insurer.code],
                applicant=f"guard-{insurer.code[-1].lower()}",
                platform_id=platform.pk,
                group=group,
                now=now,
            )
        specialty_seed(insurers=commercial, now=now)
        specialty_claims_seed(now=now)
    return {
        "hospitals": hospitals,
        "insurers": [
            {
                "code": insurer.code,
                "scheme": SCHEMES[insurer.code],
                "region": REGION,
                "control_url": insurer.control_url,
                "capabilities": dict(insurer.capabilities),
            }
            for insurer in insurers
        ],
        "claim_insurers": [{"code": insurer.code, "control_url": insurer.control_url} for insurer in docked],
        "bank": None,
        "logins": logins,
        "patients": _patients(),
    }


def _patients() -> list[dict[str, str]]:
    """Invented people without any claim, who can sign in: their codes go to the file outbox."""
    found = []
    for one in people():
        product = PRODUCTS[one.number % len(PRODUCTS)]
        if one.number >= FREE_FROM:
            known = {"name": one.name, "id_no": one.id_no, "phone": one.phone}
            found.append({**known, "product": product.code, "policy_no": policy_no_of(one, product)})
    return found


def _organisation(code: str, kind: OrganisationKind, name: str, name_zh: str, now: datetime) -> Any:
    return organisation_by_code(code=code) or organisation_create(
        code=code, kind=kind, name=name, name_zh=name_zh, actor=BY, now=now
    )


def _insurer(insurer: SandboxInsurer, *, group: Any, now: datetime) -> None:
    letter = insurer.code.rpartition("-")[2]
    organisation = _organisation(
        insurer.code, OrganisationKind.INSURER, f"Sandbox Insurer {letter}", f"沙盒医保 {letter}", now
    )
    lane = lane_define(code=insurer.code.lower(), group=group, cap_in_flight=600)
    interface = interface_define(code=insurer.code, insurer_id=organisation.pk, lane=lane, base_url=insurer.url)
    interface_key_add(interface=interface, key_id=insurer.key_id, secret=insurer.secret, now=now)
    capabilities_grant(interface=interface, values=insurer.capabilities, source=GrantSource.DEMO, by=BY, now=now)
    route_add(scheme=SCHEMES[insurer.code], region=REGION, interface=interface, valid_from=ROUTES_FROM)


def _authorities(letter: str, now: datetime) -> None:
    """Both clerks decide alone up to a sum, and with the other's name above it."""
    guard = user_by_username(username=f"guard-{letter}")
    if guard is None:
        return
    for short in ("clerk", "chief"):
        with suppress(AuthorityStands):
            authority_grant(
                username=f"{short}-{letter}",
                product_code=None,
                drug_code=None,
                alone_minor=ALONE_MINOR,
                second_minor=SECOND_MINOR,
                currency="CNY",
                user=guard,
                now=now,
                trace_id=new_trace_id(),
            )


def _client_key(organisation_id: int, code: str, *, known: Mapping[str, Any], now: datetime) -> str:
    key = next((entry["client_key"] for entry in known.get("hospitals", ()) if entry["code"] == code), "")
    if _key_holds(key, now):
        return str(key)
    scopes = [Scope.TRANSACTIONS_WRITE, Scope.TRANSACTIONS_READ]
    return client_key_create(organisation_id=organisation_id, name="demo", scopes=scopes, actor=BY, now=now)


def _key_holds(key: str, now: datetime) -> bool:
    try:
        client_key_check(key, now)
    except Problem:
        return False
    return True


def _logins(
    code: str, staff: Sequence[Post], *, organisation_id: int, known: Mapping[str, Any], now: datetime
) -> list[dict[str, Any]]:
    logins = []
    for role, short, name, name_zh, portal in staff:
        username = short if code == PLATFORM[0] else f"{short}-{code[-1].lower()}"
        user = user_by_username(username=username)
        kept = [entry["password"] for entry in known.get("logins", ()) if entry["username"] == username]
        password = kept[0] if kept and user else f"demo-{secrets.token_urlsafe(9)}"
        if user is None:
            user_create(
                username=username,
                display_name=f"{name} {code} {name_zh}",
                organisation_id=organisation_id,
                roles=[role],
                password=password,
                actor=BY,
                now=now,
            )
        elif not kept:
            user_password_set(user_id=user.pk, password=password, actor=BY, now=now)
        logins.append(
            {
                "portal": portal,
                "username": username,
                "password": password,
                "role": str(role),
                "organisation": code,
                "totp_secret": None,
            }
        )
    return logins
