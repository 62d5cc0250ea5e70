"""Our own process's end while a payment is on its way, and what is kept of the wire."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from settlement.models import BankAccount, PaymentMessage
from tests.insurers.house import conclude, perform
from tests.roles import rows
from tests.settlement.bank.process import ROOT, SandboxBank
from tests.settlement.house import Desk, claimed
from tests.settlement.payments.house import (
    DEADLINE_SECONDS,
    prove_paid_once,
    said,
    sent_once,
    state,
    worked_until,
)
from tests.settlement.payout_house import (
    made,
    owed,
    released,
    states,
    take,
    work_once,
)

# Our own end --------------------------------------------------------------------------------------------------------

DIES = """
import os, signal, sys
import django
django.setup()
from datetime import timedelta
from journal import drain
turn = drain.jobs_take(free_slots={int(sys.argv[1]): 50}, overdue=timedelta(0))
assert len(turn.works) == 1, turn
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_worker_killed_between_arming_and_sending_has_paid_nothing_and_it_is_paid_once(
    desk: Desk, account: BankAccount, bank: SandboxBank, process_environment: dict[str, str], tmp_path: Path
) -> None:
    leg = owed(desk, claimed(desk))
    released(made(leg))
    environment = {
        **process_environment,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "MEDISETTLE_DB_ROLE": "worker",
        "MEDISETTLE_DEADLINE_PAYMENT": str(DEADLINE_SECONDS),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}",
    }
    died = subprocess.run(
        [sys.executable, "-c", DIES, str(account.lane_id)], cwd=ROOT, env=environment, timeout=60, check=False
    )
    assert died.returncode == -9
    assert said() == [("SEND", None)]
    assert state() == "ARMED"
    # The guard is not due yet: nobody touches what may be on the wire.
    assert work_once(account) == 0
    worked_until(account, lambda: state() == "BOOKED")
    kinds = [kind for kind, _ in said()]
    assert (kinds[:2], kinds[-1], kinds.count("SEND")) == (["SEND", "QUERY"], "SEND", 2)
    assert said()[0] == ("SEND", "UNKNOWN")
    assert states(leg) == ["PAID"]
    prove_paid_once(desk, bank)


def test_a_worker_killed_after_sending_is_followed_by_a_question(
    desk: Desk, account: BankAccount, bank: SandboxBank
) -> None:
    leg = owed(desk, claimed(desk))
    released(made(leg))
    perform(take(account).works)
    worked_until(account, lambda: state() == "BOOKED")
    assert said() == [("SEND", "UNKNOWN"), ("QUERY", "BOOKED")]
    assert states(leg) == ["PAID"]
    prove_paid_once(desk, bank)


def test_an_answer_that_is_concluded_late_changes_nothing_twice(
    desk: Desk, account: BankAccount, bank: SandboxBank
) -> None:
    released(made(owed(desk, claimed(desk))))
    late = perform(take(account).works)
    worked_until(account, lambda: state() == "BOOKED")
    conclude(late)
    assert rows("SELECT count(*) FROM ledger_posting WHERE kind = 'paid_out'") == [(1,)]
    prove_paid_once(desk, bank)


def test_what_is_kept_of_the_wire_names_nobody_in_clear(desk: Desk, account: BankAccount, bank: SandboxBank) -> None:
    released(made(owed(desk, claimed(desk))))
    sent_once(account)
    kept = PaymentMessage.objects.get()
    for sealed in (kept.sealed_request, kept.sealed_answer):
        assert b"CHAIN-A" not in bytes(sealed or b"")
        assert b"6217" not in bytes(sealed or b"")
