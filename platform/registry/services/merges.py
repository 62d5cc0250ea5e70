"""Two records of one human being: proposed by one, approved by another, undone the same way. Money rows stay put."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.services import audit_write
from accounts.services.audit import NOBODY
from core.errors import Conflict, NotFound, Problem
from core.ids import uuid7
from registry.models import Person, PersonMerge


class MergeRefused(Conflict):
    code = "merge_refused"
    title = "These records cannot be merged"
    detail = "{explanation}"
    detail_zh = "无法合并：{explanation_zh}"
    fix = "Look at both records as they are now."
    fix_zh = "请查看两条记录的当前情况。"


class MergeNeedsAnother(Problem):
    code = "merge_needs_another"
    status = 403
    title = "A merge takes two names"
    detail = "{by} has proposed it and cannot be the second name."
    detail_zh = "该事项由 {by} 提出，本人不能作为第二人确认。"
    fix = "Ask a colleague to look at it."
    fix_zh = "请由同事确认。"


@transaction.atomic
def person_merge_propose(*, kept_id: UUID, merged_id: UUID, evidence: str, by: str, now: datetime) -> PersonMerge:
    """`evidence` says why they are one, without personal data. Raises NotFound, MergeRefused."""
    if not evidence.strip():
        raise MergeRefused(explanation="No evidence is named.", explanation_zh="未注明依据。")
    _pair_check(_persons_lock(kept_id, merged_id), kept_id, merged_id)
    merge = PersonMerge(
        id=uuid7(now), kept_id=kept_id, merged_id=merged_id, evidence=evidence, proposed_by=by, proposed_at=now
    )
    try:
        with transaction.atomic():
            merge.save(force_insert=True)
    except IntegrityError:
        raise MergeRefused(
            explanation="The record stands in another open merge.", explanation_zh="该记录已有待处理或生效的合并。"
        ) from None
    _told("person_merge.proposed", merge, by, now)
    return merge


@transaction.atomic
def person_merge_approve(*, merge_id: UUID, by: str, now: datetime) -> PersonMerge:
    """The second name: from now on the merged record points at the kept one. Raises NotFound, MergeRefused,
    MergeNeedsAnother."""
    merge = _locked(merge_id)
    if merge.approved_at is not None or merge.undone_at is not None:
        raise MergeRefused(explanation="It is decided already.", explanation_zh="该合并已处理。")
    if merge.proposed_by == by:
        raise MergeNeedsAnother(by=by)
    persons = _persons_lock(merge.kept_id, merge.merged_id)
    _pair_check(persons, merge.kept_id, merge.merged_id)
    merged = persons[merge.merged_id]
    merged.merged_into_id = merge.kept_id
    merged.version += 1
    merged.save(update_fields=["merged_into", "version"])
    merge.approved_by, merge.approved_at = by, now
    merge.save(update_fields=["approved_by", "approved_at"])
    _told("person_merge.approved", merge, by, now)
    return merge


@transaction.atomic
def person_merge_undo_propose(*, merge_id: UUID, by: str, now: datetime) -> PersonMerge:
    """An approved merge was wrong. A merge that nobody approved is given up by this alone. Raises as approve."""
    merge = _locked(merge_id)
    if merge.undone_at is not None or merge.undo_proposed_by:
        raise MergeRefused(explanation="It is being undone already.", explanation_zh="该合并已撤销或正在撤销。")
    merge.undo_proposed_by = by
    if merge.approved_at is None:
        merge.undone_by, merge.undone_at = by, now
    merge.save(update_fields=["undo_proposed_by", "undone_by", "undone_at"])
    _told("person_merge.undo_proposed", merge, by, now)
    return merge


@transaction.atomic
def person_merge_undo_approve(*, merge_id: UUID, by: str, now: datetime) -> PersonMerge:
    """The second name: the record stands by itself again, with all its rows. Raises NotFound, MergeRefused,
    MergeNeedsAnother."""
    merge = _locked(merge_id)
    if not merge.undo_proposed_by or merge.undone_at is not None:
        raise MergeRefused(explanation="Nobody proposed to undo it.", explanation_zh="没有待确认的撤销。")
    if merge.undo_proposed_by == by:
        raise MergeNeedsAnother(by=by)
    merged = _persons_lock(merge.merged_id)[merge.merged_id]
    merged.merged_into_id = None
    merged.version += 1
    try:
        with transaction.atomic():
            merged.save(update_fields=["merged_into", "version"])
    except IntegrityError:
        raise MergeRefused(
            explanation="Another living record has that identity by now.", explanation_zh="该身份已另有有效记录。"
        ) from None
    merge.undone_by, merge.undone_at = by, now
    merge.save(update_fields=["undone_by", "undone_at"])
    _told("person_merge.undone", merge, by, now)
    return merge


def _locked(merge_id: UUID) -> PersonMerge:
    merge = PersonMerge.objects.select_for_update().filter(pk=merge_id).first()
    if merge is None:
        raise NotFound(noun="merge", noun_zh="合并", key=merge_id)
    return merge


def _persons_lock(*person_ids: UUID) -> dict[UUID, Person]:
    """Locked in the order of their ids. Raises NotFound."""
    rows = {row.pk: row for row in Person.objects.select_for_update().filter(pk__in=person_ids).order_by("pk")}
    for person_id in person_ids:
        if person_id not in rows:
            raise NotFound(noun="person", noun_zh="人员", key=person_id)
    return rows


def _pair_check(persons: dict[UUID, Person], kept_id: UUID, merged_id: UUID) -> None:
    kept, merged = persons[kept_id], persons[merged_id]
    if kept_id == merged_id:
        raise MergeRefused(explanation="It is one record.", explanation_zh="是同一条记录。")
    if kept.merged_into_id is not None or merged.merged_into_id is not None:
        raise MergeRefused(
            explanation="One of them is merged into another already.", explanation_zh="其中一条已并入其他记录。"
        )
    if kept.erased_at is not None or merged.erased_at is not None:
        raise MergeRefused(explanation="One of them is erased.", explanation_zh="其中一条已删除。")
    if kept.born_on != merged.born_on:
        raise MergeRefused(explanation="They are born on different days.", explanation_zh="出生日期不同。")


def _told(action: str, merge: PersonMerge, by: str, now: datetime) -> None:
    audit_write(
        actor=by,
        organisation_id=NOBODY,
        action=action,
        subject=str(merge.pk),
        details={"kept": str(merge.kept_id), "merged": str(merge.merged_id)},
        now=now,
    )
