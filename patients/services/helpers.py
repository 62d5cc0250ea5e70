"""Who may act for a person by his wish: invited, accepted, ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from core.clock import local_day
from core.errors import Conflict, NotFound, Problem
from core.ids import uuid7
from core.row_security import persons_see
from notices.services import notice_offer
from patients.consent_texts import mandate_digest
from patients.models import HelperGrant
from patients.selectors.helpers import name_context
from patients.selectors.standing import Standing, standing_of
from patients.states import Capacity, HelperScope
from registry.selectors.persons import phone_index, phone_normal
from registry.services.persons import person_seal

LONGEST_DAYS: Final = 366
MOST: Final = 5


class HelperInvalid(Problem):
    code = "helper_invalid"
    status = 422
    title = "This helper cannot be invited"
    detail = "{explanation}"
    detail_zh = "无法邀请协助人：{explanation_zh}"
    fix = "Correct what the detail names; nobody was invited."
    fix_zh = "请按说明更正；尚未发出邀请。"


class HelpersFull(Conflict):
    code = "helpers_full"
    title = "Enough helpers"
    detail = "The number is invited already, or {most} helpers are there."
    detail_zh = "该号码已被邀请，或协助人已达 {most} 人。"
    fix = "End another helper's access first."
    fix_zh = "请先终止其他协助人的授权。"


@transaction.atomic
def helper_invite(
    *,
    standing: Standing,
    person_id: UUID,
    phone: str,
    name: str,
    scopes: Sequence[HelperScope],
    until: date,
    now: datetime,
) -> HelperGrant:
    """Invite whoever has that number to help the person until a day, at most a year on.

    Raises NotFound, OwnersOnly, HelperInvalid, HelpersFull.
    """
    act = standing.owner_of(person_id=person_id)
    index = _checked(standing, phone, name, until, now)
    open_ones = HelperGrant.objects.select_for_update().filter(person_id__in=act.records, ended_at__isnull=True)
    # What ran out by itself no longer stands in the way.
    today = local_day(now)
    open_ones.filter(until__lt=today).update(ended_at=now, ended_by="clock")
    running = list(open_ones.all())
    if len(running) >= MOST or any(bytes(one.helper_phone_index) == index for one in running):
        raise HelpersFull(most=MOST)
    grant = HelperGrant(
        id=uuid7(now),
        person_id=act.person_id,
        helper_phone_index=index,
        scopes=[scope.value for scope in HelperScope if scope in {*scopes, HelperScope.SEE}],
        mandate_digest=mandate_digest(),
        until=until,
        invited_by=standing.by,
        invited_at=now,
    )
    grant.sealed_name = person_seal(
        name.strip().encode(), person_id=act.person_id, context=name_context(grant.pk), now=now
    )
    try:
        with transaction.atomic():
            grant.save(force_insert=True)
    except IntegrityError:
        # The same number, invited by a second tap at the same moment.
        raise HelpersFull(most=MOST) from None
    return grant


def invitation_accept(*, account_id: UUID, grant_id: UUID, now: datetime, trace_id: str) -> Standing:
    """The owner of the invited number accepts; the person is told. Raises NotFound where there is nothing to accept."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT patients_invitation_accept(%s, %s, %s, %s)", [account_id, grant_id, local_day(now), now]
            )
            person_id: UUID | None = cursor.fetchone()[0]
        standing = standing_of(account_id=account_id, now=now)
        if person_id is None or standing is None:
            raise NotFound(noun="invitation", noun_zh="邀请", key=grant_id)
        persons_see(standing.sees)
        grant = HelperGrant.objects.get(pk=grant_id)
        helper_told(grant=grant, kind="helper.accepted", now=now, trace_id=trace_id)
    return standing


@transaction.atomic
def helper_end(*, standing: Standing, grant_id: UUID, now: datetime, trace_id: str) -> HelperGrant:
    """The person, his guardian or the helper herself ends it, at once; the person is told.

    Raises NotFound, OwnersOnly.
    """
    grant = HelperGrant.objects.select_for_update().filter(pk=grant_id).first()
    if grant is None:
        raise NotFound(noun="helper", noun_zh="协助人", key=grant_id)
    if grant.helper_id != standing.account_id:
        standing.owner_of(person_id=grant.person_id)
    if grant.ended_at is not None:
        return grant
    grant.ended_at, grant.ended_by = now, standing.by
    grant.save(update_fields=["ended_at", "ended_by"])
    helper_told(grant=grant, kind="helper.ended", now=now, trace_id=trace_id)
    return grant


def helper_told(*, grant: HelperGrant, kind: str, now: datetime, trace_id: str) -> None:
    """Tell the person what became of the grant."""
    values = {"until": grant.until} if kind == "helper.accepted" else {}
    notice_offer(
        person_id=grant.person_id,
        kind=kind,
        cause=f"{kind}:{grant.pk}",
        subject=f"helper:{grant.pk}",
        values=values,
        now=now,
        trace_id=trace_id,
    )


def _checked(standing: Standing, phone: str, name: str, until: date, now: datetime) -> bytes:
    number, today = phone_normal(phone), local_day(now)
    if not 5 <= len(number) <= 15:
        raise HelperInvalid(explanation="That is no telephone number.", explanation_zh="电话号码无效。")
    if not 1 <= len(name.strip()) <= 60:
        raise HelperInvalid(
            explanation="A helper has a name of up to 60 letters.", explanation_zh="姓名须为 1 至 60 字。"
        )
    if not today <= until <= today + timedelta(days=LONGEST_DAYS):
        raise HelperInvalid(explanation="The last day lies within a year.", explanation_zh="截止日须在一年以内。")
    index = phone_index(phone=number, now=now)
    if index == standing.phone_index and any(act.capacity != Capacity.HELPER for act in standing.acts):
        raise HelperInvalid(explanation="Nobody is his own helper.", explanation_zh="不能邀请本人为协助人。")
    return index
