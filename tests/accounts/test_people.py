"""Organisations and their people."""

from __future__ import annotations

import pytest

from accounts.models import AuditEntry
from accounts.selectors import (
    audit_entries_visible_to,
    client_keys_visible_to,
    organisations_visible_to,
    users_visible_to,
)
from accounts.services import client_key_create, user_deactivate, user_password_set, user_roles_set
from accounts.services.organisations import CodeTaken, OrganisationInvalid, organisation_create
from accounts.services.users import PasswordWeak, RoleNotOffered, UsernameTaken
from accounts.states import OrganisationKind, Role
from core.errors import NotFound
from core.row_security import EVERYTHING, seen_by
from tests.accounts.conftest import NOW, PASSWORD, Cast, organisation, person
from tests.roles import as_role


def test_a_code_names_one_organisation(cast: Cast) -> None:
    with pytest.raises(CodeTaken):
        organisation("HOSP-A", OrganisationKind.HOSPITAL)


def test_a_shop_stands_under_a_chain_and_nothing_else_does(cast: Cast) -> None:
    with pytest.raises(OrganisationInvalid):
        organisation("SHOP-X", OrganisationKind.PHARMACY_SHOP)
    with pytest.raises(OrganisationInvalid):
        organisation("SHOP-X", OrganisationKind.PHARMACY_SHOP, cast.hospital)
    with pytest.raises(OrganisationInvalid):
        organisation("HOSP-X", OrganisationKind.HOSPITAL, cast.chain)


def test_a_time_zone_is_a_real_one(db: None) -> None:
    with pytest.raises(OrganisationInvalid, match="Mars"):
        organisation_create(
            code="X", kind=OrganisationKind.TPA, name="", name_zh="", time_zone="Mars/Base", actor="a", now=NOW
        )


def test_the_platform_makes_an_organisation_through_the_portal(cast: Cast) -> None:
    with as_role("app"), seen_by(EVERYTHING):
        assert organisation("TPA-1", OrganisationKind.TPA).pk


def test_a_user_name_is_given_once_however_it_is_written(cast: Cast) -> None:
    with pytest.raises(UsernameTaken):
        person("ｃhen", cast.stranger, Role.HOSPITAL_CASHIER)


@pytest.mark.parametrize("password", ["short", "password123", "x" * 513])
def test_a_weak_password_is_refused(cast: Cast, password: str) -> None:
    with pytest.raises(PasswordWeak):
        user_password_set(user_id=cast.cashier.pk, password=password, actor="user:chen", now=NOW)


def test_a_hospital_gives_no_role_of_the_platform(cast: Cast) -> None:
    with pytest.raises(RoleNotOffered, match="operator"):
        user_roles_set(user_id=cast.cashier.pk, roles=[Role.OPERATOR], actor="user:chen", now=NOW)


def test_every_act_on_a_person_leaves_its_audit_entry(cast: Cast) -> None:
    user_password_set(user_id=cast.cashier.pk, password=PASSWORD + "!", actor="user:ou", now=NOW)
    user_roles_set(user_id=cast.cashier.pk, roles=[Role.AUDITOR], actor="user:ou", now=NOW)
    user_deactivate(user_id=cast.cashier.pk, actor="user:ou", now=NOW)
    entries = AuditEntry.objects.filter(subject="chen", actor="user:ou").order_by("id")
    assert [entry.action for entry in entries] == ["user.password_set", "user.roles_set", "user.deactivated"]
    assert entries[1].details == {"before": ["hospital_cashier"], "after": ["auditor"]}
    assert PASSWORD not in str([entry.details for entry in entries])


def test_a_stranger_touches_nobody(cast: Cast) -> None:
    with as_role("app"), seen_by([cast.stranger.pk]):
        with pytest.raises(NotFound):
            user_password_set(user_id=cast.cashier.pk, password=PASSWORD, actor="user:zhou", now=NOW)
        with pytest.raises(NotFound):
            user_deactivate(user_id=cast.cashier.pk, actor="user:zhou", now=NOW)
        with pytest.raises(NotFound):
            person("mole", cast.hospital, Role.HOSPITAL_CASHIER)


def test_a_cashier_has_his_roles_and_no_permission_of_djangos_kind(cast: Cast) -> None:
    assert cast.cashier.is_staff
    assert cast.cashier.has_role(Role.HOSPITAL_CASHIER, Role.AUDITOR)
    assert not cast.cashier.has_role(Role.OPERATOR)
    assert not cast.cashier.has_perm("accounts.view_user")
    assert not cast.cashier.has_module_perms("accounts")


def test_selectors_show_each_his_own_even_to_a_role_that_sees_all(cast: Cast) -> None:
    for home in (cast.hospital, cast.stranger):
        client_key_create(organisation_id=home.pk, name=home.code, scopes=[], actor="a", now=NOW)
    assert {found.code for found in organisations_visible_to(user=cast.cashier)} == {"HOSP-A", "INS-A"}
    assert {found.code for found in organisations_visible_to(user=cast.pharmacist)} == {"CHAIN-A", "SHOP-A1", "INS-A"}
    assert [found.username for found in users_visible_to(user=cast.cashier)] == ["chen"]
    assert [found.name for found in client_keys_visible_to(user=cast.cashier)] == ["HOSP-A"]
    assert {found.organisation_id for found in audit_entries_visible_to(user=cast.cashier)} == {cast.hospital.pk}
    assert users_visible_to(user=cast.operator).count() == 4
