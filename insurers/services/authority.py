"""The authority matrix: granted by the insurer's own administrator, never to himself."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.selectors import user_by_username
from accounts.services import audit_write
from accounts.states import OrganisationKind, Role
from core.errors import Conflict, Forbidden, NotFound, Problem
from core.ids import uuid7
from core.money import EXPONENTS, LARGEST_MINOR
from insurers.models import Authority

if TYPE_CHECKING:
    from accounts.models import User

GRANTERS = (Role.SECURITY_ADMINISTRATOR,)


class AuthorityInvalid(Problem):
    code = "authority_invalid"
    status = 422
    title = "The authority cannot be granted like this"
    detail = "{explanation}"
    detail_zh = "授权设置无效：{explanation_zh}"
    fix = "Correct what the detail names; nothing was stored."
    fix_zh = "请按说明更正；本次未保存任何内容。"


class AuthorityStands(Conflict):
    code = "authority_stands"
    title = "There is such a line already"
    detail = "{username} has an authority of this scope already."
    detail_zh = "{username} 已有相同范围的授权。"
    fix = "Revoke that one first."
    fix_zh = "请先撤销原授权。"


@transaction.atomic
def authority_grant(
    *,
    username: str,
    product_code: str | None,
    drug_code: str | None,
    alone_minor: int,
    second_minor: int,
    currency: str,
    user: User,
    now: datetime,
    trace_id: str,
) -> Authority:
    """A line of the matrix for a clerk of the user's insurer. Raises Forbidden, AuthorityInvalid, AuthorityStands."""
    _may_grant(user)
    clerk = user_by_username(username=username)
    if clerk is None or clerk.organisation_id != user.organisation_id or not clerk.has_role(Role.INSURER_CLERK):
        raise AuthorityInvalid(
            explanation="Only a clerk of your own insurer can have authority.",
            explanation_zh="只能授权给本公司的审核人员。",
        )
    if clerk.pk == user.pk:
        raise AuthorityInvalid(explanation="Nobody grants himself authority.", explanation_zh="不能为自己授权。")
    if currency not in EXPONENTS or not all(0 <= one <= LARGEST_MINOR for one in (alone_minor, second_minor)):
        raise AuthorityInvalid(explanation="The amounts cannot be read.", explanation_zh="金额无法识别。")
    line = Authority(
        id=uuid7(now),
        organisation_id=user.organisation_id,
        user=clerk,
        product_id=product_code,
        drug_id=drug_code,
        alone_minor=alone_minor,
        second_minor=second_minor,
        currency=currency,
        granted_by=user.username,
        granted_at=now,
    )
    try:
        with transaction.atomic():
            line.save(force_insert=True)
    except IntegrityError as error:
        raise AuthorityStands(username=username) from error
    _audit(line, "authority.granted", user, now, trace_id)
    return line


@transaction.atomic
def authority_revoke(*, authority_id: UUID, user: User, now: datetime, trace_id: str) -> None:
    """End a line of the matrix of the user's insurer. Raises Forbidden, NotFound."""
    _may_grant(user)
    line = Authority.objects.select_for_update().filter(pk=authority_id, organisation_id=user.organisation_id).first()
    if line is None or line.revoked_at is not None:
        raise NotFound(noun="authority", noun_zh="授权", key=authority_id)
    line.revoked_by, line.revoked_at = user.username, now
    line.save(update_fields=["revoked_by", "revoked_at"])
    _audit(line, "authority.revoked", user, now, trace_id)


def _may_grant(user: User) -> None:
    if user.organisation.kind != OrganisationKind.INSURER or not user.has_role(*GRANTERS):
        raise Forbidden(subject="user", act="change the authority matrix")


def _audit(line: Authority, action: str, user: User, now: datetime, trace_id: str) -> None:
    audit_write(
        actor=user.username,
        organisation_id=line.organisation_id,
        action=action,
        subject=str(line.pk),
        details={
            "user": line.user.username,
            "product": line.product_id or "*",
            "drug": line.drug_id or "*",
            "alone_minor": line.alone_minor,
            "second_minor": line.second_minor,
        },
        now=now,
        trace_id=trace_id,
    )
