"""A hospital's list of a business day: kept by version, held against ours, its differences kept as cases.

Signed, it is the hospital's word: a success of ours that it lacks and that was never acknowledged was never booked, so
it is disowned in the same commit, through the same act as `disown`. Only signing does that; no timer, no reading.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction

from core.bulk import rows_insert, rows_insert_new
from core.errors import Conflict, NotFound, Problem
from core.ids import new_trace_id, uuid7
from exchange.days import DayCaseKind, Difference, day_differences
from exchange.locks import bills_and_transactions_lock
from exchange.models import DayCase, DayList
from exchange.selectors.days import DayRead, day_list_latest, day_read, day_result, listed_elsewhere
from exchange.services.acts import ActDraft, act_apply

RACES = 5
# One signature alone gives up so many successes at most: a list that lacks more is rather a list that went wrong.
DISOWNED_BY_ONE = 50
DISOWNED_AT_ONCE = 500
# How many days back differences are looked at again by themselves.
REVIEWED_DAYS = 35
REVIEWED_AT_ONCE = 200


class DayIsSigned(Conflict):
    code = "day_is_signed"
    title = "The list of this day is signed"
    detail = "The list of {day} was signed by {signed_by}; a signed list is replaced only by two names."
    detail_zh = "{day} 的清单已由 {signed_by} 签字；已签字的清单须由两人共同签字才能替换。"
    fix = "Send the new list with `signed_by` and `second_by`, two different people."
    fix_zh = "请在新清单中填写 signed_by 和 second_by（两位不同人员）。"


class SecondNameNeeded(Conflict):
    code = "second_name_needed"
    title = "It would give up very many successes"
    detail = "The list lacks {count} settled and unacknowledged fees; one name alone gives up {limit} at most."
    detail_zh = "清单缺少 {count} 笔已结算但未确认的费用；仅一人签字最多可否认 {limit} 笔。"
    fix = "Look whether the list is whole. Acknowledge what was booked; if it is whole, send it with `second_by`."
    fix_zh = "请核对清单是否完整，并确认已入账的交易；如清单确实完整，请加填 second_by。"


class TooManyAbsent(Conflict):
    code = "too_many_absent"
    title = "It would give up too many successes at once"
    detail = "The list lacks {count} settled and unacknowledged fees; {limit} are given up at once at most."
    detail_zh = "清单缺少 {count} 笔已结算但未确认的费用；一次最多否认 {limit} 笔。"
    fix = "Acknowledge what was booked, disown the others one by one, then sign."
    fix_zh = "请先确认已入账的交易，逐笔否认其余交易，然后再签字。"


class DayNotBegun(Problem):
    code = "day_not_begun"
    status = 422
    title = "This day has not begun"
    detail = "{day} has not begun in the hospital's time zone ({time_zone})."
    detail_zh = "在医院所在时区（{time_zone}），{day} 尚未开始。"
    fix = "Check the business date."
    fix_zh = "请核对业务日期。"


class NoListToSign(NotFound):
    code = "no_list_to_sign"


@dataclass(frozen=True, slots=True, kw_only=True)
class DayDraft:
    """A validated list. `rows` hold what is compared, minor units; `digest` is of the whole body.

    `as_of`: what was settled later is not held against the list; None: now.
    """

    organisation_id: int
    by: str
    business_date: date
    digest: bytes
    rows: Sequence[Mapping[str, Any]]
    signed_by: str = ""
    second_by: str = ""
    as_of: datetime | None = None


class _Raced(Exception):
    """Another list of the same day came in between: look again."""


def day_list_put(*, draft: DayDraft, now: datetime) -> dict[str, Any]:
    """Store a list and hold it against ours, in one commit; returns the day's result. The same list again adds nothing.

    The caller has said whom it sees. Raises DayIsSigned, DayNotBegun, SecondNameNeeded, TooManyAbsent.
    """
    for _ in range(RACES):
        try:
            with transaction.atomic():
                return _put(draft, now)
        except _Raced:
            continue
    raise RuntimeError(f"{RACES} lists of one day at once")


def day_sign(
    *, organisation_id: int, business_date: date, signed_by: str, by: str, second_by: str = "", now: datetime
) -> dict[str, Any]:
    """Sign the latest list as it stands, as the portal does. Raises as `day_list_put`, and NoListToSign."""
    latest = day_list_latest(organisation_id=organisation_id, business_date=business_date)
    if latest is None:
        raise NoListToSign(noun="list of", noun_zh="清单：", key=business_date)
    draft = DayDraft(
        organisation_id=organisation_id,
        by=by,
        business_date=business_date,
        digest=hashlib.sha256(bytes(latest.digest) + f"signed by {signed_by}, {second_by}".encode()).digest(),
        rows=latest.rows,
        signed_by=signed_by,
        second_by=second_by,
        as_of=latest.as_of,
    )
    return day_list_put(draft=draft, now=now)


def day_give(*, organisation_id: int, business_date: date, now: datetime) -> dict[str, Any]:
    """The day as it stands now: cases are opened and closed by what is true now; nothing is disowned."""
    with transaction.atomic():
        latest = day_list_latest(organisation_id=organisation_id, business_date=business_date)
        read = _read(organisation_id, business_date, latest)
        if latest is not None:
            _cases_write(latest, _differences(latest, read), now=now)
        return day_result(organisation_id=organisation_id, business_date=business_date, read=read)


def days_review(*, now: datetime) -> int:
    """Look again at the days that have open cases, so that what vanished is closed. A chore; returns how many days.

    Role worker: it looks at all hospitals. Nothing is disowned.
    """
    since = (now - timedelta(days=REVIEWED_DAYS)).date()
    open_cases = DayCase.objects.filter(closed_at__isnull=True, business_date__gte=since)
    days = list(open_cases.values_list("organisation_id", "business_date").distinct())
    # Some of them each time, by lot: nobody's day waits behind others for ever.
    chosen = random.sample(days, min(len(days), REVIEWED_AT_ONCE))
    for organisation_id, business_date in chosen:
        day_give(organisation_id=organisation_id, business_date=business_date, now=now)
    return len(chosen)


def _put(draft: DayDraft, now: datetime) -> dict[str, Any]:
    organisation_id, day = draft.organisation_id, draft.business_date
    latest = day_list_latest(organisation_id=organisation_id, business_date=day)
    if latest is None or bytes(latest.digest) != draft.digest:
        latest = _store(draft, latest, now)
    read = _read(organisation_id, day, latest)
    if now < read.begin:
        raise DayNotBegun(day=day, time_zone=read.time_zone)
    differences = _differences(latest, read)
    if latest.signed_at is not None:
        given_up = _disown(latest, differences, read, now)
        if given_up:
            # They are no successes any more, and stay absent until they are undone.
            read = _read(organisation_id, day, latest, given_up)
            differences = _differences(latest, read)
    _cases_write(latest, differences, now=now)
    return day_result(organisation_id=organisation_id, business_date=day, read=read)


def _store(draft: DayDraft, latest: DayList | None, now: datetime) -> DayList:
    """A new version. Raises DayIsSigned, _Raced."""
    if latest is not None and latest.signed_at is not None:
        names = {draft.signed_by.strip().casefold(), draft.second_by.strip().casefold()} - {""}
        if len(names) < 2:
            raise DayIsSigned(day=draft.business_date, signed_by=latest.signed_by)
    row = DayList(
        id=uuid7(now),
        organisation_id=draft.organisation_id,
        business_date=draft.business_date,
        version=latest.version + 1 if latest else 1,
        digest=draft.digest,
        rows=list(draft.rows),
        signed_by=draft.signed_by,
        second_by=draft.second_by,
        signed_at=now if draft.signed_by else None,
        as_of=min(draft.as_of or now, now),
        received_at=now,
        by=draft.by,
    )
    if not rows_insert_new([row], returning="id"):
        raise _Raced
    return row


def _read(organisation_id: int, business_date: date, latest: DayList | None, given_up: Iterable[str] = ()) -> DayRead:
    """Ours of the day, of the names on the list, and of what was absent before or was just `given_up`."""
    if latest is None:
        return day_read(organisation_id=organisation_id, business_date=business_date)
    absent = DayCase.objects.filter(
        organisation_id=organisation_id, business_date=business_date, kind=DayCaseKind.ABSENT, closed_at__isnull=True
    )
    names = {row["his_no"] for row in latest.rows} | set(given_up) | set(absent.values_list("his_no", flat=True))
    return day_read(organisation_id=organisation_id, business_date=business_date, his_nos=names)


def _differences(latest: DayList, read: DayRead) -> list[Difference]:
    names = {row["his_no"] for row in latest.rows}
    elsewhere = listed_elsewhere(
        organisation_id=latest.organisation_id,
        business_date=latest.business_date,
        his_nos=[one.his_no for one in read.settled if one.his_no not in names],
    )
    return day_differences(latest.rows, read.known, read.settled, elsewhere=elsewhere, begin=read.begin, end=read.end)


def _disown(latest: DayList, differences: Sequence[Difference], read: DayRead, now: datetime) -> list[str]:
    """Give up what a signed list lacks; returns the names. Raises SecondNameNeeded, TooManyAbsent."""
    as_of = latest.as_of or latest.received_at
    settled = {one.id: one for one in read.settled}
    absent = [
        settled[one.transaction_id]
        for one in differences
        if one.kind is DayCaseKind.ABSENT and one.transaction_id in settled
    ]
    given_up = [one for one in absent if not one.acknowledged and one.settled_at <= as_of]
    if len(given_up) > DISOWNED_AT_ONCE:
        raise TooManyAbsent(count=len(given_up), limit=DISOWNED_AT_ONCE)
    if len(given_up) > DISOWNED_BY_ONE and not latest.second_by:
        raise SecondNameNeeded(count=len(given_up), limit=DISOWNED_BY_ONE)
    # All of them at once and in the order of everybody, before the acts lock them one by one.
    bills_and_transactions_lock([one.id for one in given_up])
    done = []
    for one in given_up:
        said = f"day list {latest.business_date} v{latest.version}"
        act = ActDraft(
            organisation_id=latest.organisation_id,
            by=latest.by,
            # No hospital's key has a blank in it.
            idempotency_key=f"{said} {one.his_no}",
            digest=hashlib.sha256(f"{said} {one.his_no}".encode()).digest(),
            act="disown",
            his_no=one.his_no,
            values={"reason": said},
            trace_id=new_trace_id(),
        )
        if act_apply(draft=act, now=now).problem is None:
            done.append(one.his_no)
    return done


def _cases_write(latest: DayList, differences: Sequence[Difference], *, now: datetime) -> None:
    """One case per business key and class: found again it is the same, gone it is closed."""
    day = {"organisation_id": latest.organisation_id, "business_date": latest.business_date}
    stored = {(case.kind, case.his_no): case for case in DayCase.objects.select_for_update().filter(**day)}
    found = {(str(one.kind), one.his_no): one for one in differences}
    fresh = [
        DayCase(
            id=uuid7(now),
            **day,
            kind=one.kind,
            his_no=one.his_no,
            transaction_id=one.transaction_id,
            details=dict(one.details),
            opened_at=now,
        )
        for key, one in found.items()
        if key not in stored
    ]
    # Two reviews of one day at once find the same: one of each stays.
    rows_insert(fresh, skip_existing=True)
    for key, case in stored.items():
        difference = found.get(key)
        closed_at = None if difference is not None else (case.closed_at or now)
        details = case.details if difference is None else dict(difference.details)
        if (closed_at, details) != (case.closed_at, case.details):
            case.closed_at, case.details = closed_at, details
            case.save(update_fields=["closed_at", "details"])
