"""The second look at decisions that were drawn at random: quality is measured, nothing is undone by it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import IntegrityError, transaction

from core.errors import Conflict, NotFound, Problem
from core.ids import uuid7
from prereview.models import SecondLook
from prereview.selectors.desk import decision_drawn
from prereview.services.bench import reviewer_check

if TYPE_CHECKING:
    from accounts.models import User


class LookByAnother(Problem):
    code = "look_by_another"
    status = 403
    title = "Another person takes the second look"
    detail = "{by} made the decision on claim {claim_no}."
    detail_zh = "理赔申请 {claim_no} 的决定由 {by} 作出。"
    fix = "Leave it to a colleague."
    fix_zh = "请由其他同事复查。"


class LookSaysNothing(Problem):
    code = "look_says_nothing"
    status = 422
    title = "Disagreement says why"
    detail = "A second look that disagrees has a note."
    detail_zh = "复查意见不一致时须填写说明。"
    fix = "Write what should have been decided, and by which clause."
    fix_zh = "请写明应如何决定及所依据的条款。"


class LookedAlready(Conflict):
    code = "looked_already"
    title = "It has been looked at"
    detail = "Claim {claim_no} has had its second look."
    detail_zh = "理赔申请 {claim_no} 已完成复查。"
    fix = "Take the next one."
    fix_zh = "请处理下一件。"


def second_look(*, claim_id: UUID, agrees: bool, note: str, user: User, now: datetime) -> SecondLook:
    """Say whether the pre-review's last decision on a drawn claim was right.

    Raises Forbidden, NotFound, LookByAnother, LookSaysNothing, LookedAlready.
    """
    reviewer_check(user=user)
    decision = decision_drawn(claim_id=claim_id)
    if decision is None:
        raise NotFound(noun="drawn decision", noun_zh="抽中的决定", key=claim_id)
    if user.username in (decision.by, decision.seconded_by):
        raise LookByAnother(by=user.username, claim_no=decision.claim.claim_no)
    if not agrees and not note.strip():
        raise LookSaysNothing
    try:
        with transaction.atomic():
            return SecondLook.objects.create(
                id=uuid7(now),
                claim_id=claim_id,
                decision_id=decision.pk,
                decided_by=decision.by,
                agrees=agrees,
                note=note,
                by=user.username,
                at=now,
            )
    except IntegrityError:
        raise LookedAlready(claim_no=decision.claim.claim_no) from None
