"""The insurer's second review by people: authority, two names, asking for more, reopening, strangers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import User
from claims.models import Claim
from claims.services.desk import ClaimMoved, ClaimStateRefuses
from claims.services.ends import claim_withdraw
from claims.services.materials import materials_answered
from claims.services.review import ClaimDecided
from claims.states import DecisionWord
from core.clock import database_now
from core.errors import Forbidden, NotFound
from core.row_security import seen_by
from insurers.models import WaitingDecision
from insurers.services import confirming, reopening
from insurers.services.confirming import Asked, Wanted
from insurers.services.desk import DecisionUnclear, NoAuthority
from tests.insurers.cast import TRACE, Cast
from tests.insurers.house import PAYABLE_MINOR, Desk, authorise, fresh, make_desk
from tests.registry.house import DRUG
from tests.roles import as_role, refused, rows

CLAUSE, CLAUSE_ZH = "Article 6 (2): outside the listed indications.", "第六条第二款：超出约定适应症。"


@pytest.fixture
def desk(cast: Cast) -> Desk:
    return make_desk(cast)


def wanted(word: DecisionWord = DecisionWord.APPROVE, amount_minor: int | None = None, **changes: Any) -> Wanted:
    amounts = {DecisionWord.APPROVE: PAYABLE_MINOR, DecisionWord.APPROVE_PARTLY: 100_000, DecisionWord.DECLINE: 0}
    values: dict[str, Any] = {"word": word, "amount_minor": amounts[word] if amount_minor is None else amount_minor}
    if word != DecisionWord.APPROVE:
        values |= {"clause": CLAUSE, "clause_zh": CLAUSE_ZH, "reason_code": "not_indicated"}
    return Wanted(**(values | changes))


def enter(desk: Desk, claim: Claim, user: User, what: Wanted, *, version: int | None = None) -> WaitingDecision | None:
    with as_role("app"), seen_by([user.organisation_id]):
        return confirming.decision_enter(
            claim_id=claim.pk,
            version=fresh(claim).version if version is None else version,
            wanted=what,
            user=user,
            now=database_now(),
            trace_id=TRACE,
        )


def second(user: User, waiting: WaitingDecision | None) -> WaitingDecision:
    assert waiting is not None
    with as_role("app"), seen_by([user.organisation_id]):
        return confirming.waiting_second(waiting_id=waiting.pk, user=user, now=database_now(), trace_id=TRACE)


@pytest.mark.parametrize(
    ("word", "state", "amount"),
    [
        (DecisionWord.APPROVE, "CONFIRMED", PAYABLE_MINOR),
        (DecisionWord.APPROVE_PARTLY, "PARTLY_CONFIRMED", 100_000),
        (DecisionWord.DECLINE, "DECLINED", 0),
    ],
)
def test_within_his_authority_a_clerk_decides_alone(desk: Desk, word: DecisionWord, state: str, amount: int) -> None:
    claim = desk.claim()
    authorise(desk.cast, desk.cast.clerk, alone_minor=PAYABLE_MINOR)
    assert enter(desk, claim, desk.cast.clerk, wanted(word)) is None
    decided = fresh(claim)
    assert (decided.state, decided.confirmed_minor) == (state, amount)
    row = decided.decisions.get(stage="CONFIRMATION")
    assert (row.by, row.seconded_by, row.word) == ("ji", "", word)


@pytest.mark.parametrize("word", [DecisionWord.APPROVE, DecisionWord.APPROVE_PARTLY, DecisionWord.DECLINE])
def test_above_it_nothing_counts_before_another_has_confirmed(desk: Desk, word: DecisionWord) -> None:
    claim = desk.claim()
    authorise(desk.cast, desk.cast.clerk, alone_minor=PAYABLE_MINOR - 1)
    authorise(desk.cast, desk.cast.second, alone_minor=0, second_minor=PAYABLE_MINOR)
    waiting = enter(desk, claim, desk.cast.clerk, wanted(word))
    assert fresh(claim).state == "IN_CONFIRMATION"
    assert second(desk.cast.second, waiting).outcome == "COUNTED"
    row = fresh(claim).decisions.get(stage="CONFIRMATION")
    assert (row.by, row.seconded_by) == ("ji", "yan")


def test_a_refusal_weighs_as_much_as_what_it_refuses(desk: Desk) -> None:
    claim = desk.claim()
    authorise(desk.cast, desk.cast.clerk, alone_minor=PAYABLE_MINOR - 1)
    assert enter(desk, claim, desk.cast.clerk, wanted(DecisionWord.DECLINE)) is not None


def test_nobody_confirms_his_own_decision(desk: Desk) -> None:
    claim = desk.claim()
    authorise(desk.cast, desk.cast.clerk, alone_minor=0, second_minor=10**9)
    waiting = enter(desk, claim, desk.cast.clerk, wanted())
    with pytest.raises(confirming.OwnDecision):
        second(desk.cast.clerk, waiting)
    with refused("nobody_seconds_his_own_decision"):
        rows("UPDATE insurers_waitingdecision SET seconded_by = proposed_by")
    assert fresh(claim).state == "IN_CONFIRMATION"


def test_the_second_name_needs_authority_over_the_amount(desk: Desk) -> None:
    claim = desk.claim()
    authorise(desk.cast, desk.cast.clerk, alone_minor=0)
    waiting = enter(desk, claim, desk.cast.clerk, wanted())
    with pytest.raises(NoAuthority):
        second(desk.cast.second, waiting)
    authorise(desk.cast, desk.cast.second, alone_minor=10**9, second_minor=PAYABLE_MINOR - 1)
    with pytest.raises(NoAuthority):
        second(desk.cast.second, waiting)


def test_the_line_that_names_most_counts(desk: Desk) -> None:
    cast, claim = desk.cast, desk.claim()
    authorise(cast, cast.clerk, alone_minor=10**9)
    authorise(cast, cast.clerk, alone_minor=0, product=desk.product.pk, drug=DRUG)
    assert enter(desk, claim, cast.clerk, wanted()) is not None


def test_without_authority_nothing_is_even_proposed(desk: Desk) -> None:
    claim = desk.claim()
    with pytest.raises(NoAuthority):
        enter(desk, claim, desk.cast.clerk, wanted())
    assert WaitingDecision.objects.count() == 0


def test_one_decision_waits_at_a_time_and_can_be_taken_back(desk: Desk) -> None:
    claim = desk.claim()
    for clerk in (desk.cast.clerk, desk.cast.second):
        authorise(desk.cast, clerk, alone_minor=0)
    waiting = enter(desk, claim, desk.cast.clerk, wanted())
    assert waiting is not None
    with pytest.raises(confirming.DecisionWaits):
        enter(desk, claim, desk.cast.second, wanted(DecisionWord.DECLINE))
    with as_role("app"), seen_by([desk.cast.insurer.pk]):
        confirming.waiting_withdraw(waiting_id=waiting.pk, user=desk.cast.clerk, now=database_now())
    assert enter(desk, claim, desk.cast.second, wanted(DecisionWord.DECLINE)) is not None


def test_a_claim_that_moved_meanwhile_is_not_decided_by_an_old_proposal(desk: Desk) -> None:
    claim = desk.claim()
    authorise(desk.cast, desk.cast.clerk, alone_minor=0)
    authorise(desk.cast, desk.cast.second, alone_minor=0, second_minor=10**9)
    waiting = enter(desk, claim, desk.cast.clerk, wanted())
    claim_withdraw(claim_id=claim.pk, by="patient:test", now=database_now(), trace_id=TRACE)
    assert second(desk.cast.second, waiting).outcome == "OVERTAKEN"
    assert fresh(claim).state == "WITHDRAWN"


def test_two_clerks_on_one_claim_the_second_is_told_that_it_moved(desk: Desk) -> None:
    claim = desk.claim()
    for clerk in (desk.cast.clerk, desk.cast.second):
        authorise(desk.cast, clerk, alone_minor=10**9)
    seen = fresh(claim).version
    enter(desk, claim, desk.cast.clerk, wanted(), version=seen)
    with pytest.raises(DecisionUnclear, match="CONFIRMED"):
        enter(desk, claim, desk.cast.second, wanted(DecisionWord.DECLINE), version=seen)
    other = desk.claim()
    with pytest.raises(ClaimMoved):
        enter(desk, other, desk.cast.second, wanted(), version=other.version - 1)


@pytest.mark.parametrize(
    "what",
    [
        wanted(DecisionWord.APPROVE, PAYABLE_MINOR - 1),
        wanted(DecisionWord.APPROVE_PARTLY, PAYABLE_MINOR),
        wanted(DecisionWord.APPROVE_PARTLY, 0),
        wanted(DecisionWord.DECLINE, 1),
        wanted(DecisionWord.DECLINE, clause=" "),
        wanted(DecisionWord.APPROVE_PARTLY, clause_zh=""),
        Wanted(word=DecisionWord.PASS, amount_minor=PAYABLE_MINOR),
    ],
)
def test_what_could_not_count_is_not_proposed(desk: Desk, what: Wanted) -> None:
    claim = desk.claim()
    authorise(desk.cast, desk.cast.clerk, alone_minor=0)
    with pytest.raises(DecisionUnclear):
        enter(desk, claim, desk.cast.clerk, what)


def asked(now: Any, **changes: Any) -> Asked:
    values: dict[str, Any] = {
        "items": [{"kind": "PATHOLOGY", "reason": "Not legible.", "reason_zh": "无法辨认。"}],
        "message": "Please photograph it again.",
        "message_zh": "请重新拍摄。",
        "answer_by": (now + timedelta(days=10)).date(),
    }
    return Asked(**(values | changes))


def ask(desk: Desk, claim: Claim, user: User, **changes: Any) -> WaitingDecision | None:
    now = database_now()
    with as_role("app"), seen_by([user.organisation_id]):
        return confirming.materials_ask(
            claim_id=claim.pk,
            version=fresh(claim).version,
            asked=asked(now, **changes),
            user=user,
            now=now,
            trace_id=TRACE,
        )


def test_the_first_ask_goes_out_at_once_the_second_by_two_names_and_with_the_reason(desk: Desk) -> None:
    claim = desk.claim()
    authorise(desk.cast, desk.cast.clerk, alone_minor=0)
    authorise(desk.cast, desk.cast.second, alone_minor=0, second_minor=10**9)
    assert ask(desk, claim, desk.cast.clerk) is None
    assert fresh(claim).state == "MATERIALS_REQUESTED"
    common: dict[str, Any] = {"claim_id": claim.pk, "by": "patient:test", "on_behalf": False, "trace_id": TRACE}
    materials_answered(now=database_now(), missing_because="I have no other", **common)
    assert fresh(claim).state == "IN_CONFIRMATION"
    with pytest.raises(DecisionUnclear, match="first"):
        ask(desk, claim, desk.cast.clerk)
    waiting = ask(desk, claim, desk.cast.clerk, why_not_before="The new paper names another hospital.")
    assert fresh(claim).state == "IN_CONFIRMATION"
    second(desk.cast.second, waiting)
    assert fresh(claim).state == "MATERIALS_REQUESTED"
    again = fresh(claim).materials_requests.get(number=2)
    assert (again.asked_by, again.supervisor) == ("ji", "yan")


def test_an_investigation_begins_and_ends_on_the_insurers_desk(desk: Desk) -> None:
    claim = desk.claim()
    authorise(desk.cast, desk.cast.clerk, alone_minor=0)
    with as_role("app"), seen_by([desk.cast.insurer.pk]):
        common: dict[str, Any] = {"claim_id": claim.pk, "user": desk.cast.clerk, "trace_id": TRACE}
        reopening.investigation_begin(
            version=fresh(claim).version, reason="A look at the hospital", now=database_now(), **common
        )
        assert fresh(claim).state == "INVESTIGATION"
        reopening.investigation_close(version=fresh(claim).version, finding="In order", now=database_now(), **common)
    assert fresh(claim).state == "IN_CONFIRMATION"


def test_only_who_could_decide_it_alone_reopens_it(desk: Desk) -> None:
    claim = desk.claim()
    authorise(desk.cast, desk.cast.clerk, alone_minor=10**9)
    authorise(desk.cast, desk.cast.second, alone_minor=0)
    enter(desk, claim, desk.cast.clerk, wanted(DecisionWord.DECLINE))

    def reopen(user: User) -> None:
        with as_role("app"), seen_by([desk.cast.insurer.pk]):
            reopening.decided_reopen(
                claim_id=claim.pk,
                version=fresh(claim).version,
                reason="A new guideline",
                user=user,
                now=database_now(),
                trace_id=TRACE,
            )

    with pytest.raises(NoAuthority):
        reopen(desk.cast.second)
    reopen(desk.cast.clerk)
    assert fresh(claim).state == "IN_CONFIRMATION"
    enter(desk, claim, desk.cast.clerk, wanted())
    assert fresh(claim).state == "CONFIRMED"


def test_a_stranger_can_do_nothing_with_it(desk: Desk) -> None:
    claim = desk.claim()
    authorise(desk.cast, desk.cast.clerk, alone_minor=0)
    waiting = enter(desk, claim, desk.cast.clerk, wanted())
    with pytest.raises(NotFound):
        enter(desk, claim, desk.cast.stranger_clerk, wanted(), version=claim.version)
    with pytest.raises(NotFound):
        second(desk.cast.stranger_clerk, waiting)
    with as_role("app"), seen_by([desk.cast.stranger.pk]):
        assert rows("SELECT id FROM insurers_waitingdecision") == []


def test_people_of_the_insurer_who_are_no_clerks_decide_nothing(desk: Desk) -> None:
    claim = desk.claim()
    for user in (desk.cast.admin, desk.cast.guard):
        with pytest.raises(Forbidden):
            enter(desk, claim, user, wanted())


def test_a_decided_claim_is_not_decided_again(desk: Desk) -> None:
    claim = desk.claim()
    authorise(desk.cast, desk.cast.clerk, alone_minor=10**9)
    enter(desk, claim, desk.cast.clerk, wanted())
    with pytest.raises((DecisionUnclear, ClaimDecided, ClaimStateRefuses)):
        enter(desk, claim, desk.cast.clerk, wanted(DecisionWord.DECLINE))
    assert fresh(claim).decisions.filter(stage="CONFIRMATION").count() == 1
