"""Pay-out batches: who may sign what, and what stays whole when somebody may not."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction

from accounts.models import Organisation, User
from accounts.services import user_create
from accounts.states import Role
from core.crypto import ring
from core.row_security import seen_by
from journal.models import Job
from ledger.services import LimitExceeded, prove
from registry.models import Person
from settlement.models import PayeeAccount, Payment, PayoutBatch, PayoutLine
from settlement.selectors.payouts import (
    batches_visible_to,
    entries_to_look_at,
    legs_to_pay_out,
    payees_visible_to,
    payments_visible_to,
)
from settlement.services.legs import LegStateRefuses, leg_dispute
from settlement.services.payees import (
    PayeeDied,
    PayeeMissing,
    PayeeRests,
    payee_close,
    payee_confirm,
)
from settlement.services.payouts import (
    BatchNames,
    BatchRefused,
    BatchStateRefuses,
    PayeeChanged,
    batch_cancel,
    batch_file,
)
from settlement.states import LegKind
from tests.registry.house import NOW
from tests.roles import as_role, refused, rows, truncation_allowed
from tests.settlement.house import TRACE, Desk, balances, claimed, make_desk
from tests.settlement.payout_house import (
    CASH,
    CHECKER,
    MAKER,
    RELEASER,
    bank_account,
    checked,
    funded,
    made,
    owed,
    payee,
    payee_of,
    released,
    states,
    told,
)

pytestmark = pytest.mark.django_db
OTHER = "6217000000005555"
DAY = timedelta(hours=24)


@pytest.fixture
def ready(desk: Desk) -> Desk:
    """Cash, a bank and an account to pay to."""
    funded(desk)
    bank_account()
    payee(desk)
    return desk


# Batches ------------------------------------------------------------------------------------------------------------


def test_one_makes_another_checks_another_releases(ready: Desk) -> None:
    claim = claimed(ready)
    legs = [owed(ready, claim), owed(ready, claim, 10_000)]
    batch = made(*legs)
    assert states(*legs) == ["APPROVED", "APPROVED"]
    checked(batch)
    released(batch)
    assert states(*legs) == ["IN_PAYMENT", "IN_PAYMENT"]
    payment = Payment.objects.get()
    assert (payment.state, payment.amount_minor, payment.lines.count()) == ("ARMED", 50_000, 2)
    assert Job.objects.get(kind="settlement.payment_send").subject_id == payment.pk
    (held,) = rows("SELECT held_down_minor FROM ledger_accountbalance WHERE held_down_minor > 0")
    assert held == (50_000,)
    assert balances()["cash"] == CASH


def test_the_maker_neither_checks_nor_releases(ready: Desk) -> None:
    batch = made(owed(ready, claimed(ready)))
    with pytest.raises(BatchNames):
        checked(batch, MAKER)
    with pytest.raises(BatchNames):
        released(batch, MAKER)
    with refused("a_batch_is_released_by_another"):
        rows("UPDATE settlement_payoutbatch SET state = 'RELEASED', released_by = made_by, version = version + 1")
    assert not Payment.objects.exists()


def test_below_the_limit_two_names_are_enough(ready: Desk) -> None:
    batch = made(owed(ready, claimed(ready)))
    assert batch.names_needed == 2
    checked(batch)
    assert released(batch, CHECKER).state == "RELEASED"


def test_above_the_limit_two_names_pay_nothing(db: None) -> None:
    desk = make_desk({"three_names_above_minor": 39_999})
    funded(desk)
    bank_account()
    payee(desk)
    leg = owed(desk, claimed(desk))
    batch = made(leg)
    assert batch.names_needed == 3
    with pytest.raises(BatchNames):
        released(batch)
    checked(batch)
    with pytest.raises(BatchNames):
        released(batch, CHECKER)
    with refused("above_the_limit_three_names_release"):
        rows("UPDATE settlement_payoutbatch SET state = 'RELEASED', released_by = checked_by, version = version + 1")
    assert states(leg) == ["APPROVED"]
    assert not Payment.objects.exists()
    assert released(batch, RELEASER).state == "RELEASED"


def test_a_batch_is_released_once(ready: Desk) -> None:
    batch = made(owed(ready, claimed(ready)))
    released(batch)
    with pytest.raises(BatchStateRefuses):
        released(batch)
    with pytest.raises(BatchStateRefuses):
        batch_cancel(batch_id=batch.pk, reason="late", by=CHECKER, now=NOW, trace_id=TRACE)
    assert Payment.objects.count() == 1


def test_a_leg_is_in_one_batch(ready: Desk) -> None:
    leg = owed(ready, claimed(ready))
    made(leg)
    with pytest.raises(LegStateRefuses):
        made(leg)
    assert PayoutLine.objects.count() == 1


def test_a_cancelled_batch_gives_its_legs_back(ready: Desk) -> None:
    claim = claimed(ready)
    legs = [owed(ready, claim), owed(ready, claim)]
    batch = made(*legs)
    leg_dispute(leg_id=legs[1].pk, reason="wrong", by="pharmacy-1", now=NOW, trace_id=TRACE)
    batch_cancel(batch_id=batch.pk, reason="not today", by=CHECKER, now=NOW, trace_id=TRACE)
    assert states(*legs) == ["DUE", "DISPUTED"]
    assert made(legs[0]).state == "MADE"


def test_a_disputed_leg_stops_its_whole_batch(ready: Desk) -> None:
    claim = claimed(ready)
    legs = [owed(ready, claim), owed(ready, claim)]
    batch = made(*legs)
    leg_dispute(leg_id=legs[1].pk, reason="wrong", by="pharmacy-1", now=NOW, trace_id=TRACE)
    with pytest.raises(LegStateRefuses), transaction.atomic():
        released(batch)
    assert states(*legs) == ["APPROVED", "DISPUTED"]
    assert PayoutBatch.objects.get().state == "MADE"
    assert not Payment.objects.exists()


def test_more_than_the_cash_is_not_released(ready: Desk) -> None:
    leg = owed(ready, claimed(ready), CASH + 1)
    batch = made(leg)
    checked(batch)
    with pytest.raises(LimitExceeded), transaction.atomic():
        released(batch)
    assert states(leg) == ["APPROVED"]
    assert not Payment.objects.exists()
    assert not Job.objects.filter(kind="settlement.payment_send").exists()


def test_a_changed_account_rests_and_nothing_is_paid_meanwhile(ready: Desk) -> None:
    claim = claimed(ready)
    batch = made(owed(ready, claim))
    payee(ready, OTHER, now=NOW)
    with pytest.raises(PayeeRests):
        released(batch)
    with pytest.raises(PayeeRests), transaction.atomic():
        made(owed(ready, claim), now=NOW + DAY - timedelta(seconds=1))
    # After the rest the old batch still names the old account.
    with pytest.raises(PayeeChanged):
        released(batch, now=NOW + DAY)
    assert made(owed(ready, claim), now=NOW + DAY).lines.get().payee.number_tail == "5555"


def test_a_first_account_does_not_rest(ready: Desk) -> None:
    assert made(owed(ready, claimed(ready)), now=NOW).state == "MADE"


def test_without_an_account_nothing_is_made(desk: Desk) -> None:
    funded(desk)
    bank_account()
    leg = owed(desk, claimed(desk))
    told(desk)
    with pytest.raises(PayeeMissing), transaction.atomic():
        made(leg)
    assert states(leg) == ["DUE"]
    account = payee_confirm(payee_id=PayeeAccount.objects.get().pk, by=CHECKER, now=NOW)
    payee_close(payee_id=account.pk, reason="asked", by=CHECKER, now=NOW)
    with pytest.raises(PayeeMissing), transaction.atomic():
        made(leg)


def test_a_patient_is_paid_to_his_own_account(ready: Desk) -> None:
    claim = claimed(ready)
    payee_of(claim.person)
    third = owed(ready, claim, 7_000, kind=LegKind.THIRD)
    released(made(owed(ready, claim), third))
    assert sorted(Payment.objects.values_list("amount_minor", flat=True)) == [7_000, 40_000]


def test_nobody_is_paid_after_his_death(ready: Desk) -> None:
    claim = claimed(ready)
    payee_of(claim.person)
    third = owed(ready, claim, 7_000, kind=LegKind.THIRD)
    batch = made(third)
    Person.objects.filter(pk=claim.person_id).update(died_on=NOW.date())
    with pytest.raises(PayeeDied), transaction.atomic():
        released(batch)
    assert states(third) == ["APPROVED"]
    assert not Payment.objects.exists()


def test_only_what_the_platform_owes_is_paid_out(ready: Desk) -> None:
    first = owed(ready, claimed(ready), kind=LegKind.FIRST, organisation_id=ready.insurer.pk)
    with pytest.raises(BatchRefused), transaction.atomic():
        made(first)
    with pytest.raises(BatchRefused):
        made()


def test_a_pharmacy_sees_what_was_paid_to_it_and_a_stranger_nothing(ready: Desk) -> None:
    released(made(owed(ready, claimed(ready))))
    with as_role("app"):
        with seen_by([ready.chain.pk]):
            assert Payment.objects.count() == 1
            assert PayoutBatch.objects.count() == 0
            assert not Payment.objects.update(reason_code="x")
        with seen_by([ready.insurer.pk]):
            assert Payment.objects.count() == 0


# Files --------------------------------------------------------------------------------------------------------------


def test_a_file_puts_its_payments_in_doubt_and_is_the_same_each_time(desk: Desk) -> None:
    funded(desk)
    bank_account(rail="iso20022_file")
    payee(desk)
    batch = made(owed(desk, claimed(desk)))
    with pytest.raises(BatchStateRefuses):
        batch_file(batch_id=batch.pk, by=RELEASER, now=NOW, trace_id=TRACE)
    released(batch)
    assert not Job.objects.filter(kind="settlement.payment_send").exists()
    first = batch_file(batch_id=batch.pk, by=RELEASER, now=NOW, trace_id=TRACE)
    payment = Payment.objects.get()
    assert payment.state == "IN_DOUBT"
    assert payment.message_id.encode() in first
    assert batch_file(batch_id=batch.pk, by=MAKER, now=NOW + DAY, trace_id=TRACE) == first


# Readers ------------------------------------------------------------------------------------------------------------


def user_of(home: Organisation, name: str, role: Role) -> User:
    return user_create(
        username=name,
        display_name=name,
        organisation_id=home.pk,
        roles=[role],
        password="correct-horse-47-staple",
        actor="platform",
        now=NOW,
    )


def test_readers_show_the_platform_all_a_pharmacy_its_own_and_a_stranger_nothing(ready: Desk) -> None:
    claim = claimed(ready)
    due = owed(ready, claim)
    released(made(owed(ready, claim)))
    operator = user_of(ready.platform, "operator", Role.OPERATOR)
    pharmacist = user_of(ready.chain, "pharmacist", Role.PHARMACIST)
    clerk = user_of(ready.insurer, "clerk", Role.INSURER_CLERK)
    found = {
        user.username: (
            list(legs_to_pay_out(currency="CNY", due_by=due.due_on, user=user)) == [due],
            batches_visible_to(user=user).count(),
            payments_visible_to(user=user, open_only=True).count(),
            payees_visible_to(user=user).count(),
            entries_to_look_at(user=user).count(),
        )
        for user in (operator, pharmacist, clerk)
    }
    assert found == {
        "operator": (True, 1, 1, 1, 0),
        "pharmacist": (False, 0, 1, 1, 0),
        "clerk": (False, 0, 0, 0, 0),
    }
    assert not legs_to_pay_out(currency="CNY", due_by=due.due_on - timedelta(days=1), user=operator)
    assert not legs_to_pay_out(currency="HKD", due_by=due.due_on, user=operator)
    with as_role("app"), seen_by([ready.insurer.pk]):
        assert payments_visible_to(user=operator).count() == 0


# Races --------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_who_release_at_once_pay_once() -> None:
    truncation_allowed()
    ring.forget()
    desk = make_desk()
    funded(desk)
    bank_account()
    payee(desk)
    batch = made(owed(desk, claimed(desk)))
    ended: list[str] = []
    ready_both = threading.Barrier(2)

    def release(name: str) -> None:
        try:
            ready_both.wait(20)
            released(batch, name)
            ended.append("released")
        except BatchStateRefuses:
            ended.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=release, args=(name,)) for name in (CHECKER, RELEASER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(ended) == ["refused", "released"]
    assert Payment.objects.count() == 1
    assert rows("SELECT sum(held_down_minor) FROM ledger_accountbalance") == [(40_000,)]
    ring.forget()


# The proof ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        ("UPDATE settlement_payoutline SET hold_id = NULL", "cash is held for what a bank may still pay"),
        (
            "UPDATE settlement_payoutline SET is_open = false",
            "a leg is in payment exactly while a bank may pay it",
        ),
        (
            "ALTER TABLE settlement_payment DISABLE TRIGGER USER; "
            "UPDATE settlement_payment SET state = 'BOOKED', value_date = '2026-11-25'; "
            "ALTER TABLE settlement_payment ENABLE TRIGGER USER",
            "a payment is posted when it is booked, and undone when it came back",
        ),
    ],
)
def test_the_proof_finds_what_is_broken(ready: Desk, damage: str, rule: str) -> None:
    released(made(owed(ready, claimed(ready))))
    assert prove(names=[rule]).holds
    connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
    connection.cursor().execute(damage)
    assert not prove(names=[rule]).holds
