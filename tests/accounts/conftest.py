"""The cast: two hospitals that are strangers to each other, an insurer, a pharmacy chain with a shop, the platform."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from accounts.models import Organisation, User
from accounts.services import organisation_create, user_create
from accounts.states import OrganisationKind, Role

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
PASSWORD = "correct-horse-47-staple"


@dataclass(frozen=True)
class Cast:
    hospital: Organisation
    stranger: Organisation
    insurer: Organisation
    chain: Organisation
    shop: Organisation
    platform: Organisation
    cashier: User
    stranger_cashier: User
    pharmacist: User
    operator: User


def organisation(code: str, kind: OrganisationKind, parent: Organisation | None = None) -> Organisation:
    parent_id = parent.pk if parent else None
    return organisation_create(
        code=code, kind=kind, name=f"The {code}", name_zh=f"{code}机构", parent_id=parent_id, actor="platform", now=NOW
    )


def person(username: str, home: Organisation, role: Role) -> User:
    return user_create(
        username=username,
        display_name=username.title(),
        organisation_id=home.pk,
        roles=[role],
        password=PASSWORD,
        actor="platform",
        now=NOW,
    )


def make_cast() -> Cast:
    hospital = organisation("HOSP-A", OrganisationKind.HOSPITAL)
    stranger = organisation("HOSP-B", OrganisationKind.HOSPITAL)
    insurer = organisation("INS-A", OrganisationKind.INSURER)
    chain = organisation("CHAIN-A", OrganisationKind.PHARMACY_CHAIN)
    shop = organisation("SHOP-A1", OrganisationKind.PHARMACY_SHOP, chain)
    platform = organisation("PLATFORM", OrganisationKind.PLATFORM)
    return Cast(
        hospital=hospital,
        stranger=stranger,
        insurer=insurer,
        chain=chain,
        shop=shop,
        platform=platform,
        cashier=person("chen", hospital, Role.HOSPITAL_CASHIER),
        stranger_cashier=person("zhou", stranger, Role.HOSPITAL_CASHIER),
        pharmacist=person("pan", chain, Role.PHARMACIST),
        operator=person("ou", platform, Role.OPERATOR),
    )


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture
def committed_cast(transactional_db: None) -> Cast:
    """The same, in finished database transactions."""
    return make_cast()
