"""People who sign in. Who they are and what they may do is written here; signing in is `accounts.backends`."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from datetime import datetime

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import Organisation, User
from accounts.services.audit import audit_write
from accounts.states import OrganisationKind, Role
from core.errors import Conflict, NotFound, Problem

PASSWORD_LIMIT_CHARACTERS = 512
_ANYWHERE = {Role.SYSTEM_ADMINISTRATOR, Role.SECURITY_ADMINISTRATOR, Role.AUDITOR}
_PHARMACY = {Role.PHARMACIST} | _ANYWHERE
ROLES_OF_KIND: dict[str, set[Role]] = {
    OrganisationKind.HOSPITAL: {Role.HOSPITAL_CASHIER, Role.HOSPITAL_BACK_OFFICE} | _ANYWHERE,
    OrganisationKind.INSURER: {Role.INSURER_CLERK} | _ANYWHERE,
    OrganisationKind.PHARMACY_CHAIN: _PHARMACY,
    OrganisationKind.PHARMACY_SHOP: _PHARMACY,
    OrganisationKind.TPA: {Role.REVIEWER} | _ANYWHERE,
    OrganisationKind.PLATFORM: {Role.REVIEWER, Role.REVIEW_SUPERVISOR, Role.OPERATOR} | _ANYWHERE,
}


class UsernameTaken(Conflict):
    code = "username_taken"
    title = "The user name is taken"
    detail = "{username} is somebody else's user name."
    detail_zh = "用户名 {username} 已被使用。"
    fix = "Choose another user name."
    fix_zh = "请更换用户名。"


class RoleNotOffered(Problem):
    code = "role_not_offered"
    status = 422
    title = "The organisation has no such role"
    detail = "{roles} cannot be given to people of this organisation."
    detail_zh = "该机构人员不能拥有角色 {roles}。"
    fix = "Give the roles of the organisation's own kind."
    fix_zh = "请选择该机构类型所具有的角色。"


class PasswordWeak(Problem):
    code = "password_weak"
    status = 422
    title = "The password is too easy to guess"
    detail = "{explanation}"
    detail_zh = "密码强度不足：{explanation}"
    fix = "Choose a longer and less usual one."
    fix_zh = "请设置更长、更不常见的密码。"


def username_normalised(username: str) -> str:
    """One form for names that look the same (Unicode NFKC, as Django has it)."""
    return unicodedata.normalize("NFKC", username)


@transaction.atomic
def user_create(
    *,
    username: str,
    display_name: str,
    organisation_id: int,
    roles: Collection[Role],
    password: str,
    actor: str,
    now: datetime,
    language: str = "",
    trace_id: str = "",
) -> User:
    """A new person of an organisation. Raises NotFound, RoleNotOffered, PasswordWeak, UsernameTaken."""
    organisation = Organisation.objects.filter(pk=organisation_id).first()
    if organisation is None:
        raise NotFound(noun="organisation", noun_zh="机构", key=organisation_id)
    user = User(
        username=username_normalised(username),
        display_name=display_name,
        organisation=organisation,
        roles=_roles_checked(organisation, roles),
        language=language,
        created_at=now,
    )
    user.password = _password_checked(password, user)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise UsernameTaken(username=username) from error
    _audit(user, "user.created", actor, now, trace_id, roles=user.roles)
    return user


@transaction.atomic
def user_password_set(*, user_id: int, password: str, actor: str, now: datetime, trace_id: str = "") -> None:
    """A new password; every session made with the old one ends. Raises NotFound, PasswordWeak."""
    user = _user_locked(user_id)
    user.password = _password_checked(password, user)
    user.save(update_fields=["password"])
    _audit(user, "user.password_set", actor, now, trace_id)


@transaction.atomic
def user_roles_set(*, user_id: int, roles: Collection[Role], actor: str, now: datetime, trace_id: str = "") -> None:
    """The user's roles from now on. Raises NotFound, RoleNotOffered."""
    user = _user_locked(user_id)
    before, user.roles = user.roles, _roles_checked(user.organisation, roles)
    user.save(update_fields=["roles"])
    _audit(user, "user.roles_set", actor, now, trace_id, before=before, after=user.roles)


@transaction.atomic
def user_deactivate(*, user_id: int, actor: str, now: datetime, trace_id: str = "") -> None:
    """No more sign-in; open sessions end at their next request. Raises NotFound."""
    user = _user_locked(user_id)
    user.is_active = False
    user.save(update_fields=["is_active"])
    _audit(user, "user.deactivated", actor, now, trace_id)


def _user_locked(user_id: int) -> User:
    user = User.objects.select_for_update(of=("self",)).select_related("organisation").filter(pk=user_id).first()
    if user is None:
        raise NotFound(noun="user", noun_zh="用户", key=user_id)
    return user


def _roles_checked(organisation: Organisation, roles: Collection[Role]) -> list[str]:
    strange = sorted(role.value for role in set(roles) - ROLES_OF_KIND[organisation.kind])
    if strange:
        raise RoleNotOffered(roles=", ".join(strange))
    return sorted({role.value for role in roles})


def _password_checked(password: str, user: User) -> str:
    if len(password) > PASSWORD_LIMIT_CHARACTERS:
        raise PasswordWeak(explanation=f"At most {PASSWORD_LIMIT_CHARACTERS} characters are read.")
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise PasswordWeak(explanation=" ".join(error.messages)) from None
    return make_password(password)


def _audit(user: User, action: str, actor: str, now: datetime, trace_id: str, **details: object) -> None:
    audit_write(
        actor=actor,
        organisation_id=user.organisation_id,
        action=action,
        subject=user.username,
        details=details,
        now=now,
        trace_id=trace_id,
    )
