"""A claim arrives before the pre-review: rules run, results stay, grade and draw; straight through where allowed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any
from uuid import UUID

import pytest

from claims.models import Decision
from claims.services.ends import claim_withdraw
from claims.states import ClaimState
from core.errors import NotFound
from core.ids import new_trace_id
from core.row_security import seen_by
from journal.handlers import ClaimedJob, Parked, handlers
from journal.models import Job
from prereview.models import RulePack, RuleResult, RuleRun
from prereview.rules.standing import BODY, CASES
from prereview.services.packs import pack_draft, pack_publish
from prereview.services.take import RULES_ACT, claim_take, drawn_for_second_look
from tests.prereview.house import filed, fresh, taken
from tests.registry.house import NOW, Shelf, authorisation_of, make_shelf, person_of, policy_of, prescription_of
from tests.roles import as_role, refused, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def shelf() -> Shelf:
    return make_shelf(materials=[])


def publish(shelf: Shelf, **changes: Any) -> RulePack:
    pack = pack_draft(
        product_code=shelf.product.pk,
        body=deepcopy(BODY) | {"sample_basis_points": 0} | changes,
        cases=deepcopy(CASES),
        note="",
        by="drafter",
        now=NOW,
        trace_id=new_trace_id(),
    )
    return pack_publish(pack_id=pack.pk, version=0, by="publisher", now=NOW, trace_id=new_trace_id())


def results(claim_id: UUID) -> dict[str, RuleResult]:
    run = RuleRun.objects.filter(claim_id=claim_id).latest("at")
    return {one.rule: one for one in run.results.all()}


def test_a_filed_claim_has_its_job_and_is_taken_by_it(shelf: Shelf) -> None:
    claim = filed(shelf)
    job = Job.objects.get(kind="prereview.take", subject_id=claim.pk)
    handler: Any = handlers()["prereview.take"]
    with as_role("worker"):
        handler.conclude_jobs([job], now=NOW)
    assert fresh(claim.pk).state == ClaimState.IN_PREREVIEW


def test_a_sound_claim_passes_every_rule_and_still_waits_for_a_person(shelf: Shelf) -> None:
    claim = taken(shelf)
    found = results(claim.pk)
    assert [one.rule for one in found.values() if not one.passed] == []
    assert found["cap_left"].evidence["payable"] == 400_000
    assert (claim.state, claim.risk, claim.risk_reasons) == (ClaimState.IN_PREREVIEW, "LOW", [])


def test_results_carry_rule_version_evidence_and_clause(shelf: Shelf) -> None:
    found = results(taken(shelf).pk)["drug_listed"]
    assert (found.version, found.passed) == (1, True)
    assert found.evidence == {"code": "listed", "drug": "TRAST-440", "terms_number": 1}
    assert found.clause.startswith("Article 5.2")
    assert found.clause_zh.startswith("第5.2条")


def test_the_same_prescription_in_another_claim_routes_with_a_high_risk(shelf: Shelf) -> None:
    prescription = prescription_of(shelf.person, shelf.drug, quantity=2)
    first = taken(shelf, prescription)
    second = taken(shelf, prescription)
    found = results(second.pk)["duplicate"]
    assert not found.passed
    assert found.evidence == {"code": "duplicate_prescription", "claims": [first.claim_no]}
    assert second.risk == "HIGH"
    assert {"rule": "duplicate", "grade": "HIGH"} in second.risk_reasons


def test_a_withdrawn_claim_has_used_no_prescription_up(shelf: Shelf) -> None:
    prescription = prescription_of(shelf.person, shelf.drug, quantity=2)
    first = taken(shelf, prescription)
    claim_withdraw(claim_id=first.pk, by="patient:1", now=NOW, trace_id=new_trace_id())
    assert results(taken(shelf, prescription).pk)["duplicate"].passed


def test_an_invoice_of_somebody_else_is_found_across_policies(shelf: Shelf) -> None:
    filed(shelf, invoice_no="FP-1")
    other = person_of()
    policy = policy_of(shelf.product, other)
    prescription = prescription_of(other, shelf.drug, quantity=2)
    claim = taken(shelf, prescription, person_id=other.pk, policy_id=policy.pk, invoice_no="FP-1")
    assert results(claim.pk)["duplicate"].evidence["code"] == "duplicate_invoice"


def test_a_refill_with_charity_boxes_left_is_early(shelf: Shelf) -> None:
    authorisation = authorisation_of(
        shelf.policy,
        shelf.person,
        shelf.drug,
        quantity_per_cycle=2,
        charity_paid_cycles=1,
        charity_free_cycles=1,
    )
    rows(
        "UPDATE registry_authorisation SET last_supply_on = '2026-11-01', last_supply_days = 42, cycles_used = 1, "
        "version = version + 1 WHERE id = %s",
        [authorisation.pk],
    )
    claim = taken(shelf, kind="RENEWAL", authorisation_id=authorisation.pk, cycle_no=2)
    evidence = results(claim.pk)["early_refill"].evidence
    assert evidence["code"] == "refill_early"
    assert (evidence["supplied_until"], evidence["refill_from"]) == ("2026-12-13", "2026-12-08")
    assert evidence["charity"] is True


def test_other_claims_in_flight_leave_less_of_the_cap_and_that_routes() -> None:
    shelf = make_shelf(materials=[], annual_cap_minor=500_000)
    taken(shelf)
    second = taken(shelf)
    assert second.payable_minor == 100_000
    evidence = results(second.pk)["cap_left"].evidence
    assert evidence == {"code": "cap_cuts", "payable": 100_000, "wanted": 400_000, "left": 100_000, "others": 400_000}


def test_a_renewal_of_a_pack_that_allows_it_goes_straight_through(shelf: Shelf) -> None:
    publish(shelf, straight_through={"kinds": ["RENEWAL"], "up_to_minor": 400_000})
    authorisation = authorisation_of(shelf.policy, shelf.person, shelf.drug, quantity_per_cycle=2)
    claim = taken(shelf, kind="RENEWAL", authorisation_id=authorisation.pk)
    assert claim.state == ClaimState.IN_CONFIRMATION
    decision = Decision.objects.get(claim=claim)
    assert (decision.word, decision.by, decision.amount_minor) == ("PASS", RULES_ACT, 400_000)


@pytest.mark.parametrize(
    "changes",
    [
        {"straight_through": {"kinds": ["RENEWAL"], "up_to_minor": 399_999}},
        {"straight_through": {"kinds": ["FIRST"], "up_to_minor": 400_000}},
        {"straight_through": {"kinds": ["RENEWAL"], "up_to_minor": 400_000}, "sample_basis_points": 10_000},
        {"straight_through": {"kinds": ["RENEWAL"], "up_to_minor": 400_000}, "look_from_minor": 5_000_000, "also": ""},
    ],
    ids=["too much", "another kind", "drawn for a second look", "urgent"],
)
def test_a_renewal_waits_for_a_person_otherwise(shelf: Shelf, changes: dict[str, Any]) -> None:
    urgent = changes.pop("also", None) is not None
    publish(shelf, **changes)
    authorisation = authorisation_of(shelf.policy, shelf.person, shelf.drug, quantity_per_cycle=2)
    claim = taken(shelf, kind="RENEWAL", authorisation_id=authorisation.pk, urgent=urgent)
    assert claim.state == ClaimState.IN_PREREVIEW


def test_no_pack_can_make_the_rules_refuse(shelf: Shelf) -> None:
    """Everything that can route does, and the claim waits for a person."""
    prescription = prescription_of(shelf.person, shelf.drug, quantity=2)
    taken(shelf, prescription, invoice_no="FP-1")
    claim = taken(shelf, prescription, invoice_no="FP-1")
    assert claim.state == ClaimState.IN_PREREVIEW
    assert not Decision.objects.filter(claim=claim).exists()


def test_rules_run_again_when_the_claim_comes_back_and_both_runs_stay(shelf: Shelf) -> None:
    claim = taken(shelf)
    claim_take(claim_id=claim.pk, now=NOW.replace(hour=3), trace_id=new_trace_id())
    assert RuleRun.objects.filter(claim_id=claim.pk).count() == 2
    assert fresh(claim.pk).state == ClaimState.IN_PREREVIEW


def test_a_claim_that_was_withdrawn_meanwhile_is_left_alone(shelf: Shelf) -> None:
    claim = filed(shelf)
    claim_withdraw(claim_id=claim.pk, by="patient:1", now=NOW, trace_id=new_trace_id())
    assert claim_take(claim_id=claim.pk, now=NOW, trace_id=new_trace_id()) is None
    assert fresh(claim.pk).state == ClaimState.WITHDRAWN


def test_a_job_that_fails_is_parked_for_a_person(shelf: Shelf) -> None:
    claim = filed(shelf)
    found = Job.objects.get(kind="prereview.take", subject_id=claim.pk)
    job = ClaimedJob(found.pk, found.kind, found.lane_id, 0, claim.pk, 0, "", NOW, claim.pk)
    handler: Any = handlers()["prereview.take"]
    disposition = handler.job_failed(job, ValueError("C-1"), now=NOW)
    assert isinstance(disposition, Parked)
    with pytest.raises(NotFound):
        claim_take(claim_id=shelf.policy.pk, now=NOW, trace_id=new_trace_id())


def test_the_draw_is_the_same_each_time_and_hits_about_as_many_as_it_says() -> None:
    ids = [UUID(int=number) for number in range(4000)]
    drawn = [one for one in ids if drawn_for_second_look(one, 500)]
    assert drawn == [one for one in ids if drawn_for_second_look(one, 500)]
    assert 150 <= len(drawn) <= 250
    assert not any(drawn_for_second_look(one, 0) for one in ids)
    assert all(drawn_for_second_look(one, 10_000) for one in ids)


def test_an_insurer_sees_findings_on_its_claims_and_a_stranger_none(shelf: Shelf) -> None:
    claim = taken(shelf)
    with as_role("app"):
        with seen_by([shelf.insurer.pk]):
            assert RuleResult.objects.filter(run__claim_id=claim.pk).exists()
        with seen_by([shelf.stranger.pk]):
            assert not RuleRun.objects.exists()
            assert not RuleResult.objects.exists()


def test_findings_are_never_rewritten(shelf: Shelf) -> None:
    claim = taken(shelf)
    with refused("append-only"):
        RuleResult.objects.filter(run__claim_id=claim.pk).update(passed=True)
    with refused("append-only"):
        rows("DELETE FROM prereview_rulerun WHERE claim_id = %s", [claim.pk])
