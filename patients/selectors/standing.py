"""For whom somebody acts, as what, and with which rights: read at every request, never remembered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from core.clock import local_day
from core.errors import NotFound, Problem
from patients.models import HelperGrant, PatientAccount
from patients.states import Capacity, HelperScope
from registry.selectors.persons import guardians_of, needs_guardian, person_by_id, records_of


class NotYours(Problem):
    code = "not_yours"
    status = 403
    title = "You may not do that for this person"
    detail = "It needs the right {scope}, which you were not given."
    detail_zh = "此操作需要 {scope} 权限，您未获授权。"
    fix = "Ask the person whom you help to extend what you may do."
    fix_zh = "请联系被协助人扩大授权范围。"


class OwnersOnly(Problem):
    code = "owners_only"
    status = 403
    title = "Only the person himself or his guardian"
    detail = "Consents, helpers and what a person is called cannot be changed by a helper or a ward."
    detail_zh = "同意书、协助人及本人信息仅可由本人或其监护人办理。"
    fix = "Ask the person himself, or his guardian."
    fix_zh = "请由本人或其监护人办理。"


@dataclass(frozen=True, slots=True)
class Act:
    """One person whom somebody acts for. `records` are all records of that human being, merged ones included."""

    person_id: UUID
    capacity: Capacity
    scopes: tuple[HelperScope, ...]
    records: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """Who is signed in. `phone_index` is the blind index of the number that was verified."""

    account_id: UUID
    language: str
    phone_index: bytes
    acts: tuple[Act, ...]

    @property
    def person_id(self) -> UUID | None:
        """His own person, once that was proven."""
        return next((act.person_id for act in self.acts if act.capacity == Capacity.SELF), None)

    @property
    def by(self) -> str:
        """His name in every act."""
        person_id = self.person_id
        return f"patient:{person_id}" if person_id is not None else f"patient:account-{self.account_id}"

    @property
    def sees(self) -> tuple[UUID, ...]:
        """Whose rows his requests see."""
        return tuple(record for act in self.acts for record in act.records)

    def act_for(self, *, person_id: UUID, scope: HelperScope = HelperScope.SEE) -> Act:
        """His standing towards that person (any of the person's records).

        Raises NotFound for a stranger, NotYours where the right is missing.
        """
        found = [act for act in self.acts if person_id in act.records]
        if not found:
            raise NotFound(noun="person", noun_zh="人员", key=person_id)
        able = next((act for act in found if scope in act.scopes), None)
        if able is None:
            raise NotYours(scope=scope.value)
        return able

    def owner_of(self, *, person_id: UUID) -> Act:
        """His standing as the person himself or as guardian. Raises NotFound, OwnersOnly."""
        self.act_for(person_id=person_id)
        for act in self.acts:
            if person_id in act.records and act.capacity != Capacity.HELPER and HelperScope.SUBMIT in act.scopes:
                return act
        raise OwnersOnly


def standing_of(*, account_id: UUID, now: datetime) -> Standing | None:
    """The account's standing at `now`; None when there is no such account, or it was blocked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT language, phone_index FROM patients_account_read(%s)", [account_id])
        account = cursor.fetchone()
        if account is None:
            return None
        cursor.execute(
            "SELECT person_id, capacity, scopes, records FROM patients_standing(%s, %s)", [account_id, local_day(now)]
        )
        acts = [_act(*row) for row in cursor.fetchall()]
    return Standing(account_id, account[0], bytes(account[1]), tuple(acts))


def readers_of(*, person_id: UUID, now: datetime) -> list[UUID]:
    """The persons who are told what concerns this one: he himself or, for a ward, his guardians; and his helpers.

    For workers, who see everybody. Helpers whose own person is not known have no inbox.
    """
    day = local_day(now)
    person = person_by_id(person_id=person_id)
    if person is None:
        return []
    guardians = [row.guardian_id for row in guardians_of(person_id=person_id, on=day)]
    first = guardians if guardians and needs_guardian(person=person, on=day) else [person_id]
    grants = HelperGrant.objects.filter(
        person_id__in=records_of(person_id=person_id), accepted_at__isnull=False, ended_at__isnull=True, until__gte=day
    )
    helping = PatientAccount.objects.filter(grants__in=grants, blocked_at__isnull=True, person__isnull=False)
    helpers = [account.person_id for account in helping if account.person_id is not None]
    return list(dict.fromkeys([*first, *helpers]))


def _act(person_id: UUID, capacity: str, scopes: Any, records: Sequence[UUID]) -> Act:
    # A plain statement brings JSON as text.
    codes = json.loads(scopes) if isinstance(scopes, str) else scopes
    return Act(person_id, Capacity(capacity), tuple(HelperScope(code) for code in codes), tuple(records))
