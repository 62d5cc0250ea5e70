"""How a chain and its shops come in: what they hand in, who of the platform looks at what, and what suspends them."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.services import audit_write
from accounts.states import OrganisationKind, Role
from core.clock import local_day
from core.errors import Conflict, Forbidden, NotFound, Problem
from core.ids import uuid7
from core.row_security import EVERYTHING, seen_by
from core.transitions import write_many
from pharmacies.models import Entry, EntryCondition, Pharmacist, StockLot
from pharmacies.states import EntryState, PharmacistRole

if TYPE_CHECKING:
    from accounts.models import Organisation, User

# What is needed of whom, and who of the platform finds it good.
CONDITIONS: Final = {
    OrganisationKind.PHARMACY_CHAIN: ("CONTRACT", "ACCOUNT"),
    OrganisationKind.PHARMACY_SHOP: ("LICENCE", "PHARMACISTS", "STOCK"),
}
CHECKERS: Final = {
    "CONTRACT": Role.OPERATOR,
    "ACCOUNT": Role.AUDITOR,
    "LICENCE": Role.OPERATOR,
    "PHARMACISTS": Role.OPERATOR,
    "STOCK": Role.OPERATOR,
}
END: Final = ("CONTRACT", "LICENCE")  # Papers with a last day.
E = EntryState


class EntryExists(Conflict):
    code = "entry_exists"
    title = "This pharmacy has applied already"
    detail = "There is an application of {organisation} already."
    detail_zh = "{organisation} 已提交过入驻申请。"
    fix = "Open it and hand in what is missing."
    fix_zh = "请打开该申请并补交所缺材料。"


class EntryConditionUnclear(Problem):
    code = "entry_condition_unclear"
    status = 422
    title = "The condition cannot be taken like this"
    detail = "{kind}: {explanation}"
    detail_zh = "条件 {kind} 不明确：{explanation_zh}"
    fix = "Correct what the detail names and hand it in again."
    fix_zh = "请按说明更正后重新提交。"


class EntryConditionsOpen(Conflict):
    code = "entry_conditions_open"
    title = "Conditions are open"
    detail = "Not yet met: {kinds}."
    detail_zh = "尚未满足的条件：{kinds}。"
    fix = "Have them met and checked first."
    fix_zh = "请先补齐并通过核查。"


@transaction.atomic
def entry_apply(*, organisation: Organisation, by: str, now: datetime, trace_id: str) -> Entry:
    """The application of a chain or a shop, with its list of conditions. Raises EntryConditionUnclear, EntryExists."""
    kinds = CONDITIONS.get(OrganisationKind(organisation.kind))
    if kinds is None:
        raise _unclear("organisation", "it is no chain and no shop", "不是连锁或门店")
    entry = Entry(
        id=uuid7(now), organisation_id=organisation.pk, created_at=now, state_at=now, state_by=by, trace_id=trace_id
    )
    try:
        with transaction.atomic():
            entry.save(force_insert=True)
    except IntegrityError:
        raise EntryExists(organisation=organisation.code) from None
    EntryCondition.objects.bulk_create(EntryCondition(entry=entry, kind=kind) for kind in kinds)
    _audit(entry, "entry.applied", by, now)
    return entry


@transaction.atomic
def entry_hand_in(
    *, entry_id: UUID, kind: str, evidence: str, valid_until: date | None, by: str, now: datetime, trace_id: str
) -> EntryCondition:
    """What is shown for a condition; a new paper is looked at anew, and a pharmacy that is live runs on meanwhile.

    Raises NotFound, EntryConditionUnclear.
    """
    entry = _locked(entry_id)
    condition = _condition(entry, kind)
    if not evidence.strip():
        raise _unclear(kind, "the number of the paper is missing", "缺少材料编号")
    if kind in END and (valid_until is None or valid_until < local_day(now)):
        raise _unclear(kind, "it has a last day, which has not passed", "须注明尚未到期的有效期")
    condition.evidence, condition.valid_until = evidence.strip()[:200], valid_until
    condition.verdict, condition.checked_by, condition.checked_at = "HANDED_IN", "", None
    condition.save()
    if entry.state == E.CONDITIONS_CHECKED:
        entry.send_back()
        _moved(entry, by, now, trace_id, "condition_changed")
    _audit(entry, "entry.handed_in", by, now, kind=kind)
    return condition


@transaction.atomic
def entry_check(*, entry_id: UUID, kind: str, good: bool, user: User, now: datetime, trace_id: str) -> Entry:
    """The platform's person for that condition says whether it holds; with the last one the entry goes a step on.

    Raises NotFound, Forbidden, EntryConditionUnclear.
    """
    entry = _locked(entry_id)
    condition = _condition(entry, kind)
    if CHECKERS[kind] not in user.roles or user.organisation.kind != OrganisationKind.PLATFORM:
        raise Forbidden(subject="user", act=f"check {kind} of a pharmacy")
    if good and kind in ("PHARMACISTS", "STOCK"):
        _there_check(entry, kind, now)
    elif condition.verdict == "MISSING":
        raise _unclear(kind, "nothing was handed in", "尚未提交材料")
    condition.verdict = "GOOD" if good else "REFUSED"
    condition.checked_by, condition.checked_at = user.username, now
    condition.save(update_fields=["verdict", "checked_by", "checked_at"])
    if entry.state == E.APPLIED and not _open(entry, local_day(now)):
        entry.conditions_found_good()
        _moved(entry, user.username, now, trace_id, "")
    _audit(entry, "entry.checked", user.username, now, kind=kind, good=good)
    return entry


@transaction.atomic
def entry_go_live(*, entry_id: UUID, user: User, now: datetime, trace_id: str) -> Entry:
    """It gets orders from now on; a suspended one again. Raises NotFound, Forbidden, EntryConditionsOpen."""
    entry = _locked(entry_id)
    if Role.OPERATOR not in user.roles or user.organisation.kind != OrganisationKind.PLATFORM:
        raise Forbidden(subject="user", act="let a pharmacy go live")
    kinds = _open(entry, local_day(now))
    if kinds or entry.state not in (E.CONDITIONS_CHECKED, E.SUSPENDED):
        raise EntryConditionsOpen(kinds=", ".join(kinds) or entry.state)
    entry.go_live()
    return _moved(entry, user.username, now, trace_id, "")


@transaction.atomic
def entry_suspend(*, entry_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> Entry:
    """No new orders; what is ready is still handed over. Again changes nothing. Raises NotFound, EntryConditionsOpen
    for one that never was live."""
    entry = _locked(entry_id)
    if entry.state == E.SUSPENDED:
        return entry
    if entry.state != E.LIVE:
        raise EntryConditionsOpen(kinds=entry.state)
    entry.suspend()
    return _moved(entry, by, now, trace_id, reason)


@transaction.atomic
def entries_review(*, now: datetime, limit: int) -> int:
    """Suspend pharmacies whose papers have run out, or whose three roles nobody can sign. Chore; how many."""
    suspended = 0
    with seen_by(EVERYTHING):
        for entry in Entry.objects.filter(state=E.LIVE).order_by("pk"):
            kinds = _run_out(entry, local_day(now))
            if kinds and suspended < limit:
                entry_suspend(
                    entry_id=entry.pk,
                    reason=f"ran_out: {', '.join(kinds)}",
                    by="sweeper",
                    now=now,
                    trace_id=entry.trace_id,
                )
                suspended += 1
    return suspended


def _run_out(entry: Entry, day: date) -> list[str]:
    papers = entry.conditions.filter(valid_until__lt=day).values_list("kind", flat=True)
    lacking = entry.conditions.filter(kind="PHARMACISTS").exists() and _roles_missing(entry, day)
    return [*papers, *(["PHARMACISTS"] if lacking else [])]


def _open(entry: Entry, day: date) -> list[str]:
    not_good = entry.conditions.exclude(verdict="GOOD").values_list("kind", flat=True)
    return sorted({*not_good, *_run_out(entry, day)})


def _roles_missing(entry: Entry, day: date) -> set[str]:
    signing = Pharmacist.objects.filter(
        organisation_id=entry.organisation_id, left_at=None, licence_until__gte=day
    ).values_list("roles", flat=True)
    return set(PharmacistRole.values) - {role for roles in signing for role in roles}


def _there_check(entry: Entry, kind: str, now: datetime) -> None:
    missing = _roles_missing(entry, local_day(now))
    if kind == "PHARMACISTS" and missing:
        raise _unclear(kind, f"nobody signs as {', '.join(sorted(missing))}", "三种药师职责未配齐")
    if kind == "STOCK" and not StockLot.objects.filter(organisation_id=entry.organisation_id, on_hand__gt=0).exists():
        raise _unclear(kind, "nothing is on its shelves", "没有库存")


def _locked(entry_id: UUID) -> Entry:
    entry = Entry.objects.select_for_update().filter(pk=entry_id).first()
    if entry is None:
        raise NotFound(noun="entry", noun_zh="入驻申请", key=entry_id)
    return entry


def _condition(entry: Entry, kind: str) -> EntryCondition:
    found = entry.conditions.filter(kind=kind).first()
    if found is None:
        raise _unclear(kind[:30], "no condition of this pharmacy", "该机构没有此项条件")
    return found


def _moved(entry: Entry, by: str, now: datetime, trace_id: str, reason: str) -> Entry:
    entry.moved(now=now, by=by, reason=reason)
    entry.trace_id = trace_id
    write_many([entry], fields=["state", "trace_id"])
    return entry


def _audit(entry: Entry, action: str, by: str, now: datetime, **details: object) -> None:
    audit_write(
        actor=by, organisation_id=entry.organisation_id, action=action, subject=str(entry.pk), details=details, now=now
    )


def _unclear(kind: str, explanation: str, explanation_zh: str) -> EntryConditionUnclear:
    return EntryConditionUnclear(kind=kind, explanation=explanation, explanation_zh=explanation_zh)
