"""What is asked of the patient, once, and his answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from django.db import transaction

from claims.models import Claim, ClaimClock, MaterialsRequest
from claims.services.clocks import clock_start_until, clocks_pause, clocks_resume, clocks_stop
from claims.services.desk import (
    ClaimStateRefuses,
    claim_lock,
    claim_to_stage,
    event_write,
    lease_end,
    lease_respect,
    move,
    state_check,
)
from claims.states import ClaimState, ClockKind, Stage
from core.errors import Conflict, Problem
from core.ids import uuid7
from registry.selectors.products import product_day
from registry.states import DocumentKind

ITEMS = 12  # More than the checklist has kinds is no request but a new claim.


class MaterialsRequestInvalid(Problem):
    code = "materials_request_invalid"
    status = 422
    title = "The request for materials cannot go out like this"
    detail = "{explanation}"
    detail_zh = "补充材料请求无效：{explanation_zh}"
    fix = "Correct what the detail names; the patient was not asked anything."
    fix_zh = "请按说明更正；尚未向申请人发送任何请求。"


class SupervisorNeeded(Conflict):
    code = "supervisor_needed"
    title = "A second request needs a supervisor"
    detail = (
        "Claim {claim_no} was asked for materials before: another person signs the second request, with the reason."
    )
    detail_zh = "理赔申请 {claim_no} 已要求过补充材料；再次要求须由另一人（主管）签署并说明首次未提出的原因。"
    fix = "Let a supervisor confirm the request and say why this was not in the first."
    fix_zh = "请由主管确认，并说明为何首次未要求该材料。"


class MaterialsMissing(Problem):
    code = "materials_missing"
    status = 422
    title = "Something that was asked for is missing"
    detail = "Nothing was uploaded since the request for: {kinds}."
    detail_zh = "以下材料在请求发出后尚未上传：{kinds}。"
    fix = "Upload what is missing, or say why you cannot have it."
    fix_zh = "请上传所缺材料；如确实无法取得，请说明原因。"


@transaction.atomic
def materials_request(
    *,
    claim_id: UUID,
    version: int,
    stage: Stage,
    items: Sequence[Mapping[str, str]],
    message: str,
    message_zh: str,
    answer_by: date,
    by: str,
    supervisor: str = "",
    why_not_before: str = "",
    now: datetime,
    trace_id: str,
) -> MaterialsRequest:
    """Ask the patient for `items` [{kind, reason, reason_zh}] in one message; the deciding clock pauses.

    A second request of the claim needs `supervisor`, who is another person than `by`, and `why_not_before`.
    Raises NotFound, ClaimMoved, ClaimHeld, ClaimStateRefuses, ClaimWithdrawn, MaterialsRequestInvalid,
    SupervisorNeeded.
    """
    claim = claim_lock(claim_id=claim_id, version=version)
    state_check(claim, ClaimState.IN_PREREVIEW, ClaimState.IN_CONFIRMATION, act="materials.request")
    lease_respect(claim=claim, by=by, now=now)
    if claim.stage != stage:
        raise ClaimStateRefuses(claim_no=claim.claim_no, state=claim.state, act=f"materials.request ({stage})")
    _check(claim, items, message, message_zh, answer_by, now)
    if claim.materials_asked and (not supervisor or supervisor == by or not why_not_before.strip()):
        raise SupervisorNeeded(claim_no=claim.claim_no)
    claim.materials_asked += 1
    move(claim, claim.request_materials, act="materials.request", by=by, now=now, trace_id=trace_id)
    request = MaterialsRequest.objects.create(
        id=uuid7(now),
        claim=claim,
        number=claim.materials_asked,
        stage=stage,
        items=[dict(item) for item in items],
        message=message,
        message_zh=message_zh,
        answer_by=answer_by,
        asked_by=by,
        asked_at=now,
        supervisor=supervisor,
        why_not_before=why_not_before,
    )
    lease_end(claim)
    clocks_pause(claim=claim, now=now)
    clock_start_until(claim=claim, kind=ClockKind.MATERIALS, day=answer_by, now=now)
    details = {"number": request.number, "kinds": [item["kind"] for item in items]}
    event_write(claim, "materials.requested", details=details, by=by, now=now, trace_id=trace_id)
    return request


@transaction.atomic
def materials_answered(
    *, claim_id: UUID, by: str, on_behalf: bool, now: datetime, trace_id: str, missing_because: str = ""
) -> Claim:
    """The patient has handed in what was asked: the claim is back with whoever asked, the clock runs on.

    `missing_because`: why something cannot be had; the reviewers see that it was said, the text stays with the request.
    Raises NotFound, ClaimStateRefuses, ClaimWithdrawn, MaterialsMissing.
    """
    claim = claim_lock(claim_id=claim_id)
    state_check(claim, ClaimState.MATERIALS_REQUESTED, act="materials.answer")
    request = claim.materials_requests.filter(closed_reason="").first()
    if request is None:
        raise ClaimStateRefuses(claim_no=claim.claim_no, state=claim.state, act="materials.answer")
    missing = materials_missing(request=request)
    if missing and not missing_because.strip():
        raise MaterialsMissing(kinds=", ".join(missing), extra={"kinds": missing})
    _answered(claim, request, "answered", by=by, now=now, trace_id=trace_id)
    event_write(
        claim,
        "materials.answered",
        details={"number": request.number, "missing": missing},
        by=by,
        on_behalf=on_behalf,
        now=now,
        trace_id=trace_id,
    )
    return claim


def materials_overdue_return(*, now: datetime, limit: int) -> int:
    """A chore: give claims whose patient has let his deadline pass back to their reviewers; returns how many.

    Nobody is refused by that: a person decides on what is there.
    """
    late = ClaimClock.objects.filter(
        kind=ClockKind.MATERIALS, stopped_at__isnull=True, due_at__lt=now, claim__state=ClaimState.MATERIALS_REQUESTED
    )
    count = 0
    for claim_id in list(late.order_by("due_at").values_list("claim_id", flat=True)[:limit]):
        with transaction.atomic():
            claim = claim_lock(claim_id=claim_id)
            request = claim.materials_requests.filter(closed_reason="").first()
            if claim.state != ClaimState.MATERIALS_REQUESTED or request is None:
                continue
            trace_id = claim.trace_id
            _answered(claim, request, "overdue", by="clock", now=now, trace_id=trace_id)
            details = {"number": request.number}
            event_write(claim, "materials.overdue", details=details, by="clock", now=now, trace_id=trace_id)
            count += 1
    return count


def materials_missing(*, request: MaterialsRequest) -> list[str]:
    """Kinds of the request of which nothing was uploaded since it went out."""
    live = request.claim.documents.filter(withdrawn_at__isnull=True, uploaded_at__gte=request.asked_at)
    there = set(live.values_list("kind", flat=True))
    return list(dict.fromkeys(item["kind"] for item in request.items if item["kind"] not in there))


def _answered(claim: Claim, request: MaterialsRequest, closed: str, *, by: str, now: datetime, trace_id: str) -> None:
    claim_to_stage(claim, act="materials.answer", by=by, now=now, trace_id=trace_id, reason=closed)
    request.answered_at = now if closed == "answered" else None
    request.closed_reason = closed
    request.save(update_fields=["answered_at", "closed_reason"])
    clocks_stop(claim=claim, kinds=(ClockKind.MATERIALS,), now=now)
    clocks_resume(claim=claim, now=now)


def _check(
    claim: Claim,
    items: Sequence[Mapping[str, str]],
    message: str,
    message_zh: str,
    answer_by: date,
    now: datetime,
) -> None:
    kinds = [item.get("kind", "") for item in items]
    if not 1 <= len(items) <= ITEMS or len(kinds) != len(set(kinds)) or not set(kinds) <= set(DocumentKind.values):
        raise MaterialsRequestInvalid(
            explanation="Each kind of document is asked for once, at least one and at most twelve.",
            explanation_zh="每种材料只列一次，至少一项，至多十二项。",
        )
    if any(not item.get("reason", "").strip() or not item.get("reason_zh", "").strip() for item in items):
        raise MaterialsRequestInvalid(
            explanation="Each item says why it is needed, in English and Chinese.",
            explanation_zh="每项材料须以中英文说明所需原因。",
        )
    if not message.strip() or not message_zh.strip():
        raise MaterialsRequestInvalid(
            explanation="The message to the patient is empty.", explanation_zh="致申请人的说明为空。"
        )
    if answer_by < product_day(product=claim.product, now=now):
        raise MaterialsRequestInvalid(
            explanation="The last day to answer has passed.", explanation_zh="答复截止日已过。"
        )
