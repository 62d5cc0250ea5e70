"""Paper originals, due above a sum: the patient says by which courier, the platform that they are there."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from claims.models import Claim
from claims.services.desk import ActorMissing, claim_lock, event_write, write
from claims.states import PaperState
from core.errors import Conflict, Problem

COURIER_NO: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{5,39}")


class PaperNotDue(Conflict):
    code = "paper_not_due"
    title = "No paper originals are due"
    detail = "Claim {claim_no} waits for no paper originals: {paper}."
    detail_zh = "理赔申请 {claim_no} 无待收的纸质原件（{paper}）。"
    fix = "Look at the claim's timeline: they have come already, or were never needed."
    fix_zh = "请查看该申请的时间线：原件已收到，或无需寄送。"


class CourierNumberInvalid(Problem):
    code = "courier_number_invalid"
    status = 422
    title = "That is no courier's number"
    detail = "A courier's number has 6 to 40 letters, digits and hyphens."
    detail_zh = "快递单号由 6 至 40 位字母、数字或连字符组成。"
    fix = "Copy the number from the courier's slip."
    fix_zh = "请按快递单填写单号。"


@transaction.atomic
def paper_send(*, claim_id: UUID, courier_no: str, by: str, on_behalf: bool, now: datetime, trace_id: str) -> Claim:
    """The originals are on their way. The same number again changes nothing; another one takes its place.

    Raises NotFound, PaperNotDue, CourierNumberInvalid.
    """
    claim = _due(claim_id, None, by, "paper.send")
    if not COURIER_NO.fullmatch(courier_no):
        raise CourierNumberInvalid
    if claim.paper_courier_no == courier_no:
        return claim
    claim.paper_courier_no = courier_no
    write(claim, ["paper_courier_no"], by=by, now=now, trace_id=trace_id)
    event_write(claim, "paper.sent", by=by, on_behalf=on_behalf, now=now, trace_id=trace_id)
    return claim


@transaction.atomic
def paper_receive(
    *, claim_id: UUID, version: int, courier_no: str = "", by: str, now: datetime, trace_id: str
) -> Claim:
    """The originals are there. `courier_no` is what stands on the parcel, where the patient said none.

    Raises NotFound, ClaimMoved, PaperNotDue, CourierNumberInvalid.
    """
    claim = _due(claim_id, version, by, "paper.receive")
    if courier_no and not COURIER_NO.fullmatch(courier_no):
        raise CourierNumberInvalid
    claim.paper = PaperState.RECEIVED
    claim.paper_courier_no = courier_no or claim.paper_courier_no
    write(claim, ["paper", "paper_courier_no"], by=by, now=now, trace_id=trace_id)
    event_write(claim, "paper.received", by=by, now=now, trace_id=trace_id)
    return claim


def _due(claim_id: UUID, version: int | None, by: str, act: str) -> Claim:
    claim = claim_lock(claim_id=claim_id, version=version)
    if not by:
        raise ActorMissing(what=act)
    if not claim.paper_waits:
        raise PaperNotDue(claim_no=claim.claim_no, paper=claim.paper)
    return claim
