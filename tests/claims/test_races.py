"""Two people, or two machines, at one claim: real connections, real locks, one winner."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from claims.models import ClaimLease
from claims.services.desk import ClaimHeld, ClaimMoved
from claims.services.drafts import claim_submit
from claims.services.ends import claim_withdraw
from claims.services.leases import LEASE, lease_give_back, lease_take
from claims.services.review import ClaimDecided, confirmation_decide, prereview_pass
from claims.states import ClaimState, Stage
from core.errors import Problem
from tests.claims.house import (
    CLERK,
    COLLEAGUE,
    PATIENT,
    PAYABLE,
    REVIEWER,
    TRACE,
    approving,
    asked,
    declining,
    drafted,
    fresh,
    held_and_used,
    in_confirmation,
    in_prereview,
    passed,
    passing,
)
from tests.registry.house import NOW, Shelf, make_shelf

S = ClaimState


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Each act on a connection of its own, all let go in one moment; what each returned, or its problem."""
    start = threading.Barrier(len(acts))
    results: list[Any] = [None] * len(acts)

    def run(number: int, act: Callable[[], Any]) -> None:
        try:
            start.wait(timeout=20)
            results[number] = act()
        except Problem as problem:
            results[number] = problem
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number, act)) for number, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def problems(results: list[Any]) -> list[type[Problem]]:
    return [type(result) for result in results if isinstance(result, Problem)]


def test_two_reviewers_take_one_claim_and_one_has_it(committed_shelf: Shelf) -> None:
    claim = in_prereview(committed_shelf)

    def take(who: str) -> Callable[[], Any]:
        return lambda: lease_take(claim_id=claim.pk, stage=Stage.PREREVIEW, holder=who, holder_name=who, now=NOW)

    results = at_once(take(REVIEWER), take(COLLEAGUE))
    assert problems(results) == [ClaimHeld]
    (winner,) = [result.holder for result in results if isinstance(result, ClaimLease)]
    assert ClaimLease.objects.get().holder == winner


def test_two_reviewers_decide_on_what_they_saw_and_one_counts(committed_shelf: Shelf) -> None:
    claim = in_prereview(committed_shelf)

    def decide(who: str) -> Callable[[], Any]:
        decision = passing(by=who)
        return lambda: prereview_pass(
            claim_id=claim.pk, version=claim.version, decision=decision, now=NOW, trace_id=TRACE
        )

    results = at_once(decide(REVIEWER), decide(COLLEAGUE))
    assert problems(results) == [ClaimMoved]
    assert claim.decisions.count() == 1


def test_an_insurers_message_that_comes_twice_at_once_counts_once(committed_shelf: Shelf) -> None:
    claim = in_confirmation(committed_shelf)
    decision = replace(approving(), external_no="D-1", digest="a" * 64)

    def send() -> Any:
        return confirmation_decide(claim_id=claim.pk, version=None, decision=decision, now=NOW, trace_id=TRACE).pk

    first, second = at_once(send, send)
    assert first == second
    assert claim.decisions.filter(stage="CONFIRMATION").count() == 1
    assert held_and_used(committed_shelf.policy, committed_shelf.person)["DRUG_CAP"] == (0, PAYABLE)


def test_a_yes_and_a_no_at_once_leave_one_of_them(committed_shelf: Shelf) -> None:
    claim = in_confirmation(committed_shelf)

    def send(decision: Any, number: str) -> Callable[[], Any]:
        draft = replace(decision, external_no=number, digest=number * 64)
        return lambda: confirmation_decide(claim_id=claim.pk, version=None, decision=draft, now=NOW, trace_id=TRACE)

    results = at_once(send(approving(), "1"), send(declining(), "2"))
    assert problems(results) == [ClaimDecided]
    used = PAYABLE if fresh(claim).state == S.CONFIRMED else 0
    assert held_and_used(committed_shelf.policy, committed_shelf.person)["DRUG_CAP"] == (0, used)


def test_a_withdrawal_and_a_decision_at_once_leave_the_counts_right(committed_shelf: Shelf) -> None:
    claim = in_confirmation(committed_shelf)
    decision = replace(approving(), external_no="D-1", digest="a" * 64)
    results = at_once(
        lambda: claim_withdraw(claim_id=claim.pk, by=PATIENT, now=NOW, trace_id=TRACE),
        lambda: confirmation_decide(claim_id=claim.pk, version=None, decision=decision, now=NOW, trace_id=TRACE),
    )
    assert len(problems(results)) == 1
    used = {S.WITHDRAWN: 0, S.CONFIRMED: PAYABLE}[ClaimState(fresh(claim).state)]
    assert held_and_used(committed_shelf.policy, committed_shelf.person)["DRUG_CAP"] == (0, used)


def test_two_claims_for_the_last_of_a_cap_share_it(transactional_db: None) -> None:
    shelf = make_shelf(annual_cap_minor=PAYABLE + 1)
    claims = [drafted(shelf), drafted(shelf)]

    def submit(number: int) -> Callable[[], Any]:
        return lambda: claim_submit(claim_id=claims[number].pk, by=PATIENT, now=NOW, trace_id=TRACE)

    results = at_once(submit(0), submit(1))
    assert problems(results) == []
    assert sorted(result.payable_minor for result in results) == [1, PAYABLE]
    assert held_and_used(shelf.policy, shelf.person)["ANNUAL_CAP"] == (PAYABLE + 1, 0)


def take(claim: Any, who: str, now: Any = NOW) -> ClaimLease:
    return lease_take(claim_id=claim.pk, stage=Stage.PREREVIEW, holder=who, holder_name=who, now=now)


def test_who_has_it_open_keeps_the_others_out_of_every_act(shelf: Shelf) -> None:
    claim = in_prereview(shelf)
    take(claim, COLLEAGUE)
    with pytest.raises(ClaimHeld, match=COLLEAGUE):
        passed(claim)
    with pytest.raises(ClaimHeld):
        asked(claim)
    take(claim, COLLEAGUE, NOW + timedelta(minutes=19))
    with pytest.raises(ClaimHeld):
        take(claim, REVIEWER, NOW + LEASE)
    assert take(claim, REVIEWER, NOW + timedelta(minutes=19) + LEASE).holder == REVIEWER


def test_a_decision_gives_the_claim_back(shelf: Shelf) -> None:
    claim = in_prereview(shelf)
    take(claim, REVIEWER)
    passed(claim)
    assert not ClaimLease.objects.exists()


def test_nobody_gives_back_what_another_holds(shelf: Shelf) -> None:
    claim = in_prereview(shelf)
    take(claim, COLLEAGUE)
    lease_give_back(claim_id=claim.pk, holder=REVIEWER)
    assert ClaimLease.objects.get().holder == COLLEAGUE
    lease_give_back(claim_id=claim.pk, holder=COLLEAGUE)
    assert not ClaimLease.objects.exists()


def test_an_insurers_system_decides_while_a_clerk_has_it_open(shelf: Shelf) -> None:
    claim = in_confirmation(shelf)
    take(claim, CLERK)
    decision = replace(approving(by="insurer:INS-LIFE"), external_no="D-1", digest="a" * 64)
    confirmation_decide(claim_id=claim.pk, version=None, decision=decision, now=NOW, trace_id=TRACE)
    assert fresh(claim).state == S.CONFIRMED
