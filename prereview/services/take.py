"""A claim arrives: the rules run, their results are stored, it is graded and, seldom, drawn for a second look."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.db import transaction

from claims.selectors.claims import claim_by_id
from claims.services.decisions import DecisionDraft
from claims.services.review import claim_grade, prereview_begin, prereview_pass
from claims.states import ClaimState, DecisionWord
from core.errors import NotFound
from core.ids import uuid7
from prereview.models import RuleResult, RuleRun
from prereview.rules.checks import LOW
from prereview.rules.packs import WHOLE_BASIS_POINTS, Result, pack_run, risk_of
from prereview.selectors.runs import PackInForce, pack_in_force
from prereview.services.facts import facts_of

if TYPE_CHECKING:
    from claims.models import Claim

RULES_ACT: Final = "prereview.rules"  # Who signs what no person did.
BEGINNING = (ClaimState.SUBMITTED, ClaimState.REOPENED)


@transaction.atomic
def claim_take(*, claim_id: UUID, now: datetime, trace_id: str) -> RuleRun | None:
    """Run the rules of the product's pack over a claim that is before the pre-review; None when it has left it.

    A claim that just arrived is begun; one that came back is graded anew. Where the pack allows it and every rule
    passes, it is recommended at once. Nothing is ever refused here. Raises NotFound.
    """
    claim = claim_by_id(claim_id=claim_id)
    if claim is None:
        raise NotFound(noun="claim", noun_zh="理赔申请", key=claim_id)
    if claim.state not in (*BEGINNING, ClaimState.IN_PREREVIEW):
        return None
    force = pack_in_force(product_code=claim.product_id)
    results = pack_run(force.pack, facts_of(claim=claim))
    risk, drawn = risk_of(results), drawn_for_second_look(claim_id, force.pack.sample_basis_points)
    reasons = [{"rule": one.rule, "grade": one.grade} for one in results if not one.passed]
    act = prereview_begin if claim.state in BEGINNING else claim_grade
    begun = act(
        claim_id=claim_id,
        by=RULES_ACT,
        now=now,
        trace_id=trace_id,
        risk=risk,
        risk_reasons=reasons,
        re_review=drawn,
    )
    run = _run_write(begun, force, results, risk, now=now, trace_id=trace_id)
    if _goes_straight_through(begun, force, run):
        draft = DecisionDraft(
            word=DecisionWord.PASS,
            by=RULES_ACT,
            amount_minor=begun.payable_minor,
            lines=[],
            risk=LOW,
        )
        prereview_pass(claim_id=claim_id, version=begun.version, decision=draft, now=now, trace_id=trace_id)
    return run


def drawn_for_second_look(claim_id: UUID, sample_basis_points: int) -> bool:
    """Drawn by the claim's own id: the same claim always comes out the same way, and nobody can choose it."""
    digest = hashlib.sha256(b"second-look:" + claim_id.bytes).digest()
    return int.from_bytes(digest[:4], "big") % WHOLE_BASIS_POINTS < sample_basis_points


def _run_write(
    claim: Claim, force: PackInForce, results: list[Result], risk: str, *, now: datetime, trace_id: str
) -> RuleRun:
    run = RuleRun.objects.create(
        id=uuid7(now),
        claim_id=claim.pk,
        pack=force.row,
        pack_number=force.number,
        claim_version=claim.version,
        routed=any(not one.passed for one in results),
        risk=risk,
        at=now,
        trace_id=trace_id,
    )
    RuleResult.objects.bulk_create(
        RuleResult(
            run=run,
            position=position,
            rule=one.rule,
            version=one.version,
            passed=one.passed,
            evidence=dict(one.evidence),
            clause=one.clause,
            clause_zh=one.clause_zh,
        )
        for position, one in enumerate(results)
    )
    return run


def _goes_straight_through(claim: Claim, force: PackInForce, run: RuleRun) -> bool:
    """Never a claim that was drawn for a second look, comes from an appeal, or has been before a person already."""
    allowed = force.pack.straight_through
    fresh = claim.episode == 1 and claim.materials_asked == 0
    within = 0 < claim.payable_minor <= allowed.up_to_minor
    return claim.kind in allowed.kinds and within and fresh and not (run.routed or claim.re_review or claim.urgent)
