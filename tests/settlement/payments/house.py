"""Working at payments as the workers do, and what must be true of ledger and bank afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable

from core.clock import database_now
from ledger.services import prove
from settlement.models import BankAccount, Payment, PaymentMessage
from settlement.services.bank_files import statements_ask
from tests.roles import rows
from tests.settlement.bank.process import BALANCE, SandboxBank
from tests.settlement.house import Desk, balances
from tests.settlement.payout_house import (
    CASH,
    jobs,
    only_payment,
    work_once,
)

LEG_MINOR = 40_000
DEADLINE_SECONDS = 2.0


def worked_until(account: BankAccount, true: Callable[[], bool], seconds: float = 30) -> None:
    give_up_at = time.monotonic() + seconds
    while True:
        work_once(account)
        if true():
            return
        assert time.monotonic() < give_up_at, f"{only_payment().state} {jobs()}"
        time.sleep(0.05)


def sent_once(account: BankAccount) -> None:
    """Work until a message about the newest payment may have reached the bank. A machine that is slow sends later."""
    payment = Payment.objects.latest("created_at", "pk")
    answered = payment.messages.exclude(outcome="NOT_SENT").filter(outcome__isnull=False)
    give_up_at = time.monotonic() + 20
    while not answered.exists():
        assert time.monotonic() < give_up_at, said()
        work_once(account)


def state() -> str:
    return str(only_payment().state)


def said() -> list[tuple[str, str | None]]:
    """Kinds and outcomes of the messages about the payment, in their order."""
    return list(PaymentMessage.objects.order_by("armed_at", "pk").values_list("kind", "outcome"))


def statements_taken(account: BankAccount) -> None:
    statements_ask(now=database_now())
    for _ in range(5):
        if not work_once(account):
            return


def prove_paid_once(desk: Desk, bank: SandboxBank) -> None:
    assert [row["state"] for row in bank.book()["payments"]] == ["booked"]
    assert bank.balance() == BALANCE - LEG_MINOR
    found = balances()
    assert found["cash"] == CASH - LEG_MINOR
    assert f"payable:p{desk.chain.pk}" not in found
    prove_nothing_held()


def prove_not_paid(desk: Desk, bank: SandboxBank) -> None:
    assert bank.balance() == BALANCE
    found = balances()
    assert (found["cash"], found[f"payable:p{desk.chain.pk}"]) == (CASH, LEG_MINOR)
    prove_nothing_held()


def prove_nothing_held() -> None:
    assert rows("SELECT count(*) FROM ledger_hold WHERE state = 'OPEN' AND kind = 'pay_out'") == [(0,)]
    assert prove().holds
