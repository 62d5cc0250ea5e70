"""Payees' accounts: in their own name, found right by another, sealed, and nobody else's to see."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.row_security import seen_by
from settlement.models import PayeeAccount
from settlement.services.payees import (
    PayeeClosed,
    PayeeInvalid,
    PayeeNameDiffers,
    PayeeSamePerson,
    payee_confirm,
    payee_facts,
)
from tests.registry.house import NOW
from tests.roles import as_role, refused, rows
from tests.settlement.bank.process import PAYEE
from tests.settlement.house import Desk, claimed
from tests.settlement.payout_house import (
    CHECKER,
    payee,
    told,
)

pytestmark = pytest.mark.django_db
OTHER = "6217000000005555"
DAY = timedelta(hours=24)


def test_an_account_is_kept_sealed_and_found_right_by_another(desk: Desk) -> None:
    account = told(desk)
    with pytest.raises(PayeeSamePerson):
        payee_confirm(payee_id=account.pk, by="pharmacy-1", now=NOW)
    payee_confirm(payee_id=account.pk, by=CHECKER, now=NOW)
    (kept,) = rows("SELECT to_jsonb(a)::text FROM settlement_payeeaccount a")
    assert PAYEE not in kept[0]
    assert PAYEE.encode().hex() not in kept[0]
    assert payee_facts(PayeeAccount.objects.get()).number == PAYEE
    with pytest.raises(PayeeClosed):
        payee_confirm(payee_id=account.pk, by=CHECKER, now=NOW)


def test_nobody_is_paid_through_anothers_account(desk: Desk) -> None:
    claim = claimed(desk)
    with pytest.raises(PayeeNameDiffers):
        told(desk, holder="The CHAIN-B")
    with pytest.raises(PayeeNameDiffers):
        told(desk, organisation_id=None, person_id=claim.person_id, holder="韩梅梅")
    assert not PayeeAccount.objects.exists()
    # The same name in other letters is the same name.
    told(desk, holder=" the ｃｈａｉｎ-a ")
    told(desk, organisation_id=None, person_id=claim.person_id, holder="李 雷")


@pytest.mark.parametrize(
    "changes",
    [{"number": "12"}, {"number": "6217'; --"}, {"bank_code": ""}, {"holder": " "}, {"currency": "XXX"}],
)
def test_an_account_that_is_none_is_refused(desk: Desk, changes: dict[str, Any]) -> None:
    with pytest.raises(PayeeInvalid):
        told(desk, **({"number": PAYEE} | changes))


def test_a_stranger_sees_and_finds_right_no_account(desk: Desk) -> None:
    account = payee(desk)
    waiting = told(desk, OTHER)
    with as_role("app"):
        with seen_by([desk.insurer.pk]):
            assert not PayeeAccount.objects.exists()
        with seen_by([desk.chain.pk]):
            assert PayeeAccount.objects.count() == 2
            # Whose account it is may not find it right himself, whatever his program writes.
            assert not PayeeAccount.objects.filter(pk=waiting.pk).update(confirmed_by="me", confirmed_at=NOW)
    with refused("another account is another row"):
        PayeeAccount.objects.filter(pk=account.pk).update(bank_code="OTHER")
