"""Organisations: made and suspended by the platform."""

from __future__ import annotations

import zoneinfo
from datetime import datetime

from django.db import IntegrityError, transaction

from accounts.models import Organisation
from accounts.services.audit import audit_write
from accounts.states import OrganisationKind
from core.errors import Conflict, NotFound, Problem


class CodeTaken(Conflict):
    code = "code_taken"
    title = "The code is taken"
    detail = "{code} already names another organisation."
    detail_zh = "{code} 已被其他机构使用。"
    fix = "Choose another code."
    fix_zh = "请更换代码。"


class OrganisationInvalid(Problem):
    code = "organisation_invalid"
    status = 422
    title = "The organisation cannot be made like this"
    detail = "{explanation}"
    detail_zh = "机构设置无效：{explanation_zh}"
    fix = "Correct what the detail names and try again."
    fix_zh = "请按说明更正后重试。"


@transaction.atomic
def organisation_create(
    *,
    code: str,
    kind: OrganisationKind,
    name: str,
    name_zh: str,
    actor: str,
    now: datetime,
    parent_id: int | None = None,
    time_zone: str = "Asia/Shanghai",
    trace_id: str = "",
) -> Organisation:
    """A new organisation. Raises CodeTaken; OrganisationInvalid for an unknown time zone or a shop without a chain."""
    if time_zone not in zoneinfo.available_timezones():
        raise OrganisationInvalid(
            explanation=f"{time_zone} is no IANA time zone.", explanation_zh=f"{time_zone} 不是有效的 IANA 时区。"
        )
    parent = Organisation.objects.filter(pk=parent_id).first() if parent_id is not None else None
    wants_chain = kind == OrganisationKind.PHARMACY_SHOP
    if (parent is not None and parent.kind == OrganisationKind.PHARMACY_CHAIN) != wants_chain:
        raise OrganisationInvalid(
            explanation="A pharmacy shop, and nothing else, stands under a pharmacy chain.",
            explanation_zh="门店必须且只有门店可以隶属于连锁药店。",
        )
    organisation = Organisation(
        code=code, kind=kind, name=name, name_zh=name_zh, parent=parent, time_zone=time_zone, created_at=now
    )
    try:
        with transaction.atomic():
            organisation.save(force_insert=True)
    except IntegrityError as error:
        raise CodeTaken(code=code) from error
    audit_write(
        actor=actor,
        organisation_id=organisation.pk,
        action="organisation.created",
        subject=code,
        details={"kind": str(kind)},
        now=now,
        trace_id=trace_id,
    )
    return organisation


def organisation_suspend(*, organisation_id: int, reason: str, actor: str, now: datetime, trace_id: str = "") -> None:
    """From now on its keys are refused (within seconds) and its people's sessions end. Raises NotFound."""
    _suspended_set(organisation_id, now, "organisation.suspended", reason, actor, now, trace_id)


def organisation_resume(*, organisation_id: int, reason: str, actor: str, now: datetime, trace_id: str = "") -> None:
    """End the suspension. Raises NotFound."""
    _suspended_set(organisation_id, None, "organisation.resumed", reason, actor, now, trace_id)


@transaction.atomic
def _suspended_set(
    organisation_id: int,
    suspended_at: datetime | None,
    action: str,
    reason: str,
    actor: str,
    now: datetime,
    trace_id: str,
) -> None:
    organisation = Organisation.objects.select_for_update().filter(pk=organisation_id).first()
    if organisation is None:
        raise NotFound(noun="organisation", noun_zh="机构", key=organisation_id)
    if (organisation.suspended_at is None) == (suspended_at is None):
        return
    organisation.suspended_at = suspended_at
    organisation.save(update_fields=["suspended_at"])
    audit_write(
        actor=actor,
        organisation_id=organisation_id,
        action=action,
        subject=organisation.code,
        details={"reason": reason},
        now=now,
        trace_id=trace_id,
    )
