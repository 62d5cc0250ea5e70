"""Who may sign at a shop, as what, until when."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from uuid import UUID

from django.db import transaction

from accounts.services import audit_write
from core.clock import local_day
from core.errors import NotFound, Problem
from core.ids import uuid7
from pharmacies.models import Pharmacist
from pharmacies.states import PharmacistRole


class PharmacistInvalid(Problem):
    code = "pharmacist_invalid"
    status = 422
    title = "This pharmacist cannot be registered like this"
    detail = "{field}: {explanation}"
    detail_zh = "药师信息无效，{field}：{explanation_zh}"
    fix = "Correct that field as the licence has it; nothing was stored."
    fix_zh = "请按执业证更正该项；本次未保存任何内容。"


@transaction.atomic
def pharmacist_register(
    *,
    organisation_id: int,
    username: str,
    name: str,
    licence_no: str,
    licence_until: date,
    roles: Collection[PharmacistRole],
    by: str,
    now: datetime,
) -> Pharmacist:
    """Add a pharmacist of a shop, or write what his licence now says; one who had left is back. Raises
    PharmacistInvalid."""
    for field, value in (("username", username), ("name", name), ("licence_no", licence_no)):
        if not value.strip():
            raise PharmacistInvalid(field=field, explanation="empty", explanation_zh="为空")
    if licence_until < local_day(now):
        raise PharmacistInvalid(field="licence_until", explanation="it has ended", explanation_zh="执业证已到期")
    if not roles or not set(roles) <= set(PharmacistRole):
        raise PharmacistInvalid(field="roles", explanation="none, or an unknown one", explanation_zh="职责为空或无效")
    values = {
        "name": name.strip(),
        "licence_no": licence_no.strip(),
        "licence_until": licence_until,
        "roles": sorted(PharmacistRole(role).value for role in roles),
        "left_at": None,
    }
    row, _ = Pharmacist.objects.update_or_create(
        organisation_id=organisation_id,
        username=username.strip(),
        defaults=values,
        create_defaults={**values, "id": uuid7(now), "created_at": now},
    )
    _audit("pharmacist.registered", row, by, now)
    return row


@transaction.atomic
def pharmacist_leave(*, pharmacist_id: UUID, by: str, now: datetime) -> Pharmacist:
    """He signs no more; what he signed stands. Again changes nothing. Raises NotFound."""
    row = Pharmacist.objects.select_for_update().filter(pk=pharmacist_id).first()
    if row is None:
        raise NotFound(noun="pharmacist", noun_zh="药师", key=pharmacist_id)
    if row.left_at is None:
        row.left_at = now
        row.save(update_fields=["left_at"])
        _audit("pharmacist.left", row, by, now)
    return row


def _audit(action: str, row: Pharmacist, by: str, now: datetime) -> None:
    audit_write(actor=by, organisation_id=row.organisation_id, action=action, subject=str(row.pk), now=now)
