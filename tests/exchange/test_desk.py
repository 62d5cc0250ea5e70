"""Acts at the desk: applied at once, or waiting for a second person from the hospital's limit on."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from accounts.models import AuditEntry, User
from core.clock import database_now
from core.errors import Forbidden, NotFound
from core.row_security import seen_by
from exchange.models import BackOffice, DeskAct, Refund, SelfPayment, Transaction
from exchange.selectors.desk import on_call_of
from exchange.services.abandon import AlreadySucceeded
from exchange.services.desk import (
    ActEnded,
    ActWaits,
    DeskDraft,
    Entered,
    NothingToAsk,
    act_enter,
    act_second,
    act_withdraw,
    on_call_set,
    query_again,
)
from exchange.services.names import BackOfficeNeeded, MovedMeanwhile, NotYourOwn
from exchange.services.refunds import RefundExceedsDue
from journal.models import Job
from tests.exchange.house import House, fresh
from tests.exchange.staff import back_office, cashier, doubtful, say, settled
from tests.roles import as_role, refused, rows


def enter(
    row: Transaction, user: User, act: str, *, token: UUID | None = None, version: int | None = None, **values: Any
) -> Entered:
    entered = DeskDraft(
        transaction_id=row.pk,
        version=fresh(row).version if version is None else version,
        act=act,
        values=values,
        token=token or uuid4(),
        user=user,
        trace_id="trace-of-desk",
    )
    with as_role("app"), seen_by([user.organisation_id]):
        return act_enter(draft=entered, now=database_now())


def second(waiting: DeskAct | None, user: User, *, version: int | None = None) -> None:
    assert waiting is not None
    row = Transaction.objects.get(pk=waiting.transaction_id)
    with as_role("app"), seen_by([user.organisation_id]):
        seen = row.version if version is None else version
        act_second(act_id=waiting.pk, version=seen, user=user, trace_id="trace", now=database_now())


def limit_set(house: House, minor: int) -> None:
    BackOffice.objects.update_or_create(organisation_id=house.hospital.pk, defaults={"four_eyes_minor": minor})


@pytest.fixture
def chen(house: House) -> User:
    return cashier(house.hospital)


@pytest.fixture
def bai(house: House) -> User:
    return back_office(house.hospital)


@pytest.fixture
def overpaid(house: House) -> Transaction:
    """Settled, and 10000 were taken in cash for it: 8000 are due back."""
    row = settled(house)
    say(row, "abandon", self_paid_minor=10000, receipt_no="R-1")
    return fresh(row)


def test_a_refund_below_the_limit_counts_at_once(overpaid: Transaction, chen: User) -> None:
    entered = enter(overpaid, chen, "refunded", amount_minor=8000, refund_no="F-1", tender="cash", red_receipt_no="X-1")
    assert entered == Entered()
    refund = Refund.objects.get()
    assert (refund.amount_minor, refund.red_receipt_no, refund.by) == (8000, "X-1", "chen")
    kept = AuditEntry.objects.get(action="desk.refunded")
    assert (kept.actor, kept.subject, kept.details) == ("chen", overpaid.his_no, {"amount_minor": 8000})


def test_from_the_limit_on_a_refund_waits_for_a_second_person(
    house: House, overpaid: Transaction, chen: User, bai: User
) -> None:
    limit_set(house, 8000)
    waiting = enter(overpaid, chen, "refunded", amount_minor=8000, refund_no="F-1").waiting
    assert waiting is not None
    assert not Refund.objects.exists()
    with pytest.raises(ActWaits):
        enter(overpaid, bai, "refunded", amount_minor=8000, refund_no="F-2")
    with pytest.raises(NotYourOwn):
        second(waiting, chen)
    with pytest.raises(BackOfficeNeeded):
        second(waiting, cashier(house.hospital, "deng"))
    second(waiting, bai)
    assert Refund.objects.get().by == "chen + bai"
    with pytest.raises(ActEnded):
        second(waiting, bai)
    assert Refund.objects.count() == 1


def test_one_fen_below_the_limit_nobody_waits(house: House, overpaid: Transaction, chen: User) -> None:
    limit_set(house, 8001)
    assert enter(overpaid, chen, "refunded", amount_minor=8000, refund_no="F-1").waiting is None


def test_giving_up_a_success_waits_too(house: House, chen: User, bai: User) -> None:
    limit_set(house, 10000)
    row = settled(house)
    waiting = enter(row, chen, "disown", reason="never booked").waiting
    assert fresh(row).state == "SUCCEEDED"
    second(waiting, bai)
    assert fresh(row).state == "REVERSING"


def test_cash_that_was_taken_never_waits(house: House, chen: User) -> None:
    limit_set(house, 1)
    row = doubtful(house)
    assert enter(row, chen, "abandon", self_paid_minor=10000, receipt_no="R-1") == Entered()
    assert fresh(row).abandoned_at is not None
    assert Job.objects.filter(subject_id=row.pk, kind="exchange.resolve").exists()


def test_cash_told_after_success_is_stored_and_the_person_is_told(house: House, chen: User) -> None:
    row = settled(house)
    entered = enter(row, chen, "abandon", self_paid_minor=10000, receipt_no="R-1")
    assert isinstance(entered.problem, AlreadySucceeded)
    assert SelfPayment.objects.get().amount_minor == 10000


def test_a_withdrawn_act_leaves_nothing(house: House, overpaid: Transaction, chen: User, bai: User) -> None:
    limit_set(house, 1)
    waiting = enter(overpaid, chen, "refunded", amount_minor=8000, refund_no="F-1").waiting
    assert waiting is not None
    with as_role("app"), seen_by([bai.organisation_id]):
        act_withdraw(act_id=waiting.pk, user=bai, trace_id="trace", now=database_now())
    with pytest.raises(ActEnded):
        second(waiting, bai)
    assert not Refund.objects.exists()
    with refused("this act has ended"):
        rows("UPDATE exchange_deskact SET withdrawn = false")


def test_a_refusal_at_the_second_name_leaves_it_waiting(
    house: House, overpaid: Transaction, chen: User, bai: User
) -> None:
    limit_set(house, 8000)
    waiting = enter(overpaid, chen, "refunded", amount_minor=8000, refund_no="F-1").waiting
    say(overpaid, "refunded", amount_minor=5000, refund_no="F-0")
    with pytest.raises(RefundExceedsDue):
        second(waiting, bai)
    assert DeskAct.objects.get().closed_at is None


def test_a_double_click_acts_once(house: House, overpaid: Transaction, chen: User) -> None:
    token, version = uuid4(), overpaid.version
    for _ in range(2):
        enter(overpaid, chen, "refunded", token=token, version=version, amount_minor=8000, refund_no="F-1")
    assert Refund.objects.count() == 1
    limit_set(house, 1)
    token = uuid4()
    row = settled(house)
    first = enter(row, chen, "disown", token=token, reason="never booked").waiting
    again = enter(row, chen, "disown", token=token, reason="never booked").waiting
    assert first is not None
    assert again == first


def test_two_people_on_one_case_do_not_both_act(overpaid: Transaction, chen: User, bai: User) -> None:
    seen = overpaid.version
    enter(overpaid, chen, "refunded", version=seen, amount_minor=5000, refund_no="F-1")
    with pytest.raises(MovedMeanwhile):
        enter(overpaid, bai, "refunded", version=seen, amount_minor=3000, refund_no="F-2")
    assert Refund.objects.count() == 1


def test_a_question_is_asked_again_at_once_where_one_is_open(house: House, chen: User) -> None:
    row = doubtful(house)
    rows("UPDATE journal_job SET run_at = now() + interval '1 hour'")
    with as_role("app"), seen_by([chen.organisation_id]):
        query_again(transaction_id=row.pk, user=chen, trace_id="trace", now=database_now())
    assert Job.objects.get(subject_id=row.pk).run_at <= database_now()
    ended = settled(house)
    with as_role("app"), seen_by([chen.organisation_id]), pytest.raises(NothingToAsk):
        query_again(transaction_id=ended.pk, user=chen, trace_id="trace", now=database_now())


def test_a_stranger_acts_on_nothing(house: House, overpaid: Transaction, chen: User) -> None:
    stranger = back_office(house.stranger, "zhou")
    with pytest.raises(NotFound):
        enter(overpaid, stranger, "refunded", amount_minor=8000, refund_no="F-1")
    limit_set(house, 1)
    waiting = enter(overpaid, chen, "refunded", amount_minor=8000, refund_no="F-1").waiting
    with pytest.raises(NotFound):
        second(waiting, stranger)


def test_the_back_office_says_who_is_on_call(house: House, chen: User, bai: User) -> None:
    def name(username: str, user: User) -> None:
        with as_role("app"), seen_by([user.organisation_id]):
            on_call_set(username=username, user=user, trace_id="trace", now=database_now())

    assert on_call_of(house.hospital.pk) == "operations"
    name("chen", bai)
    assert on_call_of(house.hospital.pk) == "chen"
    name("", bai)
    assert on_call_of(house.hospital.pk) == "operations"
    with pytest.raises(Forbidden):
        name("chen", chen)
    back_office(house.stranger, "zhou")
    with pytest.raises(NotFound):
        name("zhou", bai)
