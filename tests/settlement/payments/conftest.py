from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from pytest_django import Settings

from core.crypto import ring
from journal.handlers import handlers
from settlement.models import BankAccount
from tests.roles import truncation_allowed
from tests.settlement.bank.process import SandboxBank, unused_folder
from tests.settlement.house import Desk, make_desk
from tests.settlement.payments.house import (
    DEADLINE_SECONDS,
)
from tests.settlement.payout_house import (
    bank_account,
    funded,
    payee,
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxBank]:
    bank = SandboxBank(unused_folder(tmp_path_factory.getbasetemp())).start()
    yield bank
    bank.kill()


@pytest.fixture
def bank(running: SandboxBank) -> SandboxBank:
    running.reset()
    return running


@pytest.fixture
def desk(transactional_db: None, settings: Settings) -> Iterator[Desk]:
    """Committed, with cash and the pharmacy's account; no waiting between two questions to the bank."""
    settings.PAYMENT = {**settings.PAYMENT, "deadline_seconds": DEADLINE_SECONDS, "ladder": (0.0,) * 12}
    settings.SEND_WITHIN_SECONDS = 20.0
    truncation_allowed()
    ring.forget()
    handlers()
    desk = make_desk()
    funded(desk)
    payee(desk)
    yield desk
    ring.forget()
    connection.close()


@pytest.fixture
def account(desk: Desk, bank: SandboxBank) -> BankAccount:
    return bank_account(bank)
