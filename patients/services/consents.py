"""Agreeing and taking back: a record each."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from core.errors import Conflict
from core.ids import uuid7
from patients.consent_texts import text_current
from patients.models import ConsentRecord
from patients.selectors.consents import consents_current
from patients.selectors.standing import Standing
from patients.states import Capacity, ConsentCode


class ConsentTextMoved(Conflict):
    code = "consent_text_moved"
    title = "The text has changed"
    detail = "Version {seen} of {code} is not the current one, which is {current}."
    detail_zh = "同意书 {code} 的版本 {seen} 已不是现行版本，现行版本为 {current}。"
    fix = "Show the current text and ask again."
    fix_zh = "请展示现行文本后重新确认。"


@transaction.atomic
def consent_give(
    *, standing: Standing, person_id: UUID, code: ConsentCode, version: int, now: datetime
) -> ConsentRecord:
    """The person, or his guardian, agrees to the text that was shown. Agreeing again changes nothing.

    Raises NotFound, OwnersOnly, ConsentTextMoved.
    """
    text = text_current(code)
    if version != text.version:
        raise ConsentTextMoved(code=code.value, seen=version, current=text.version)
    return _record(standing, person_id, code, given=True, now=now)


@transaction.atomic
def consent_withdraw(*, standing: Standing, person_id: UUID, code: ConsentCode, now: datetime) -> ConsentRecord | None:
    """What was agreed to no longer holds from now on; None when nothing was. Raises NotFound, OwnersOnly."""
    act = standing.owner_of(person_id=person_id)
    current = consents_current(person_id=act.person_id).get(code)
    if current is None or not current.given:
        return current
    return _record(standing, person_id, code, given=False, now=now)


def _record(standing: Standing, person_id: UUID, code: ConsentCode, *, given: bool, now: datetime) -> ConsentRecord:
    act = standing.owner_of(person_id=person_id)
    text = text_current(code)
    current = consents_current(person_id=act.person_id).get(code)
    if current is not None and current.given == given and (not given or current.version == text.version):
        return current
    record = ConsentRecord(
        id=uuid7(now),
        person_id=act.person_id,
        code=code,
        version=text.version,
        digest=text.digest,
        given=given,
        by=standing.by,
        on_behalf=act.capacity != Capacity.SELF,
        at=now,
    )
    record.save(force_insert=True)
    return record
