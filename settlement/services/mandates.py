"""The patient's mandate: the platform may claim and collect for him, up to the amount that he is told."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from claims.services.desk import claim_lock
from core.errors import Conflict, Problem
from core.ids import uuid7
from core.row_security import EVERYTHING, seen_by
from settlement.models import Mandate
from settlement.services.jobs import claim_look

if TYPE_CHECKING:
    from claims.models import Claim


class MandateAmountRefused(Problem):
    code = "mandate_amount_refused"
    status = 422
    title = "The mandate does not cover this application"
    detail = "The amount must be at least {least_minor} and at most the price, {most_minor} (minor units)."
    detail_zh = "委托金额不得低于 {least_minor}，且不得超过药品总价 {most_minor}（最小货币单位）。"
    fix = "Show the patient the amount that is at risk and let him sign that."
    fix_zh = "请向申请人展示风险金额并由其签署该金额。"


class MandateTooLate(Conflict):
    code = "mandate_too_late"
    title = "Nothing is to be claimed any more"
    detail = "Application {claim_no} is {state}."
    detail_zh = "申请 {claim_no} 当前状态为 {state}，无需再签署委托书。"
    fix = "Nothing is to be done."
    fix_zh = "无需处理。"


def mandate_of(*, claim_id: UUID) -> Mandate | None:
    """The latest mandate of the claim, if this database transaction sees it."""
    return Mandate.objects.filter(claim_id=claim_id).order_by("-episode").first()


@transaction.atomic
def mandate_sign(
    *,
    claim_id: UUID,
    at_most_minor: int,
    text_version: int,
    signed_by: str,
    on_behalf: bool,
    now: datetime,
    trace_id: str,
) -> Mandate:
    """The person, or his guardian, has signed. A higher amount is signed anew; the same or less changes nothing.

    The caller has checked that the signer is the person or a guardian: a helper cannot. `at_most_minor` covers the
    payable and lies within the price, minor units. Raises NotFound, MandateAmountRefused, MandateTooLate.
    """
    claim = claim_lock(claim_id=claim_id)
    _check(claim, at_most_minor)
    last = Mandate.objects.filter(claim_id=claim_id).order_by("-episode").first()
    if last is not None and last.at_most_minor >= at_most_minor:
        return last
    with seen_by(EVERYTHING):
        mandate = Mandate.objects.create(
            id=uuid7(now),
            claim_id=claim.pk,
            person_id=claim.person_id,
            episode=(last.episode if last else 0) + 1,
            at_most_minor=at_most_minor,
            currency=claim.currency,
            text_version=text_version,
            signed_by=signed_by,
            on_behalf=on_behalf,
            signed_at=now,
        )
        claim_look(claim_id=claim.pk, organisation_id=claim.organisation_id, now=now, trace_id=trace_id)
    return mandate


def _check(claim: Claim, at_most_minor: int) -> None:
    if claim.state in ("WITHDRAWN", "CLOSED", "DECLINED", "PREREVIEW_DECLINED"):
        raise MandateTooLate(claim_no=claim.claim_no, state=claim.state)
    if type(at_most_minor) is not int or not claim.payable_minor <= at_most_minor <= claim.total_minor:
        raise MandateAmountRefused(least_minor=claim.payable_minor, most_minor=claim.total_minor)
