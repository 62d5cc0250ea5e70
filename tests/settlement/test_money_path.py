"""Ask the money of job A: over fees that were really settled, each caller within his own sight."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import Organisation, User
from accounts.services import client_key_create
from accounts.states import OrganisationKind, Role, Scope
from core.clock import database_now
from core.errors import NotFound
from core.ids import new_trace_id
from exchange.services.abandon import AlreadyEnded
from exchange.services.acts import ActDraft, act_apply
from settlement.selectors.money_path import MoneyPath, SeveralFound, money_path
from tests.roles import as_role, rows
from tests.world import World, organisation, person, settled_world

__all__ = ["settled_world"]


def asked(user: User, kind: str, key: str) -> MoneyPath:
    with as_role("app"):
        return money_path(kind=kind, key=key, user=user)


def told(path: MoneyPath) -> list[tuple[str, str, list[tuple[str, str, int]]]]:
    return [
        (step.about, step.kind, [(line.account, line.side, line.amount_minor) for line in step.lines])
        for step in path.steps
    ]


def operator_of(world: World) -> User:
    platform = organisation("PLATFORM", OrganisationKind.PLATFORM, "Platform", "平台", now=database_now())
    return person("olga", "欧阳", platform, [Role.OPERATOR], now=database_now())


def cash_told(world: World, his_no: str, minor: int) -> None:
    """The cashier took money because no verdict came."""
    draft = ActDraft(
        organisation_id=world.hospital.pk,
        by="key:till",
        idempotency_key=f"abandon-{his_no}",
        digest=b"abandon",
        act="abandon",
        his_no=his_no,
        values={"self_paid_minor": minor, "receipt_no": "R-7"},
        trace_id=new_trace_id(),
    )
    # The cash is stored and is the payment: the hospital is told that the wish had ended already.
    assert isinstance(act_apply(draft=draft, now=database_now()).problem, AlreadyEnded)


def test_a_settled_fee_shows_its_posting_with_the_answer_that_proves_it(settled_world: World) -> None:
    path = asked(settled_world.back_office, "transaction", "A-SHARED")
    answer = settled_world.answer("A-SHARED")
    [step] = path.steps
    paid = sum(line.amount_minor for line in step.lines if line.side == "D")
    assert (path.amount_minor, path.currency, paid, path.foots) == (123456, "CNY", 123456, True)
    assert [line.account for line in step.lines if line.side == "C"] == ["fees"]
    shares = {line.account.partition(":")[2]: line.amount_minor for line in step.lines if ":" in line.account}
    assert shares == {share["payer"]: share["amount_minor"] for share in answer["amounts"]["shares"]}
    assert step.evidence is not None
    assert step.evidence.message is not None
    assert (step.evidence.message.msgid, step.evidence.message.outcome) == (answer["insurer"]["msgid"], "DONE")


def test_what_was_never_settled_moved_nothing(settled_world: World) -> None:
    for his_no in ("A-REFUSED", "A-DOUBT", "A-UNSENT"):
        assert asked(settled_world.back_office, "transaction", his_no).steps == ()


def test_a_bill_shows_the_cash_of_its_counter_and_what_is_recognised_of_it(settled_world: World) -> None:
    cash_told(settled_world, "A-UNSENT", 7000)
    visit_no, bill_no = rows(
        "SELECT visit_no, bill_no FROM exchange_bill b JOIN exchange_transaction t ON t.bill_id = b.id "
        "WHERE t.his_no = 'A-UNSENT'"
    )[0]
    path = asked(settled_world.back_office, "bill", f"{visit_no}/{bill_no}")
    # Both were posted at one moment.
    assert sorted(told(path)) == [
        (f"bill {bill_no}", "stands", [("patient_deposits", "D", 7000), ("fees", "C", 7000)]),
        ("cash taken for A-UNSENT R-7", "collected", [("counter_cash", "D", 7000), ("patient_deposits", "C", 7000)]),
    ]
    assert {(one.account, one.amount_minor) for one in path.sums} == {
        ("counter_cash", 7000),
        ("fees", -7000),
        ("patient_deposits", 0),
    }
    assert [(step.evidence.kind, step.evidence.message) for step in path.steps if step.evidence is not None] == [
        ("HOSPITAL_SAID", None),
        ("HOSPITAL_SAID", None),
    ]


def test_strangers_are_told_that_there_is_no_such_amount(settled_world: World) -> None:
    world = settled_world
    transaction_id = str(world.transactions["A-SETTLED"])
    bill_id = str(rows("SELECT bill_id FROM exchange_transaction WHERE his_no = 'A-SETTLED'")[0][0])
    for user in (world.stranger_cashier, world.insurer_clerk):
        for kind, key in (("transaction", "A-SETTLED"), ("transaction", transaction_id), ("bill", bill_id)):
            with pytest.raises(NotFound):
                asked(user, kind, key)


def test_the_platform_asks_by_id_where_two_hospitals_use_one_number(settled_world: World) -> None:
    world = settled_world
    world.settle(world.draft("A-SETTLED", hospital=world.stranger))
    operator = operator_of(world)
    with pytest.raises(SeveralFound):
        asked(operator, "transaction", "A-SETTLED")
    assert len(asked(operator, "transaction", str(world.transactions["A-SETTLED"])).steps) == 1
    assert len(asked(operator, "transaction", "A-SHARED").steps) == 1


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("transaction", "A-UNKNOWN"),
        ("transaction", "0193c1a6-28e0-7962-a37c-de519aa8f38f"),
        ("bill", "no-slash"),
        ("salary", "1"),
        ("bill", ""),
    ],
)
def test_what_nobody_knows_is_not_found(settled_world: World, kind: str, key: str) -> None:
    with pytest.raises(NotFound):
        asked(settled_world.back_office, kind, key)


# The interface for programs.


def ask(organisation_asking: Organisation, scope: Scope = Scope.MONEY_READ, **wanted: str) -> Any:
    key = client_key_create(
        organisation_id=organisation_asking.pk, name="ledger", scopes=[scope], actor="platform", now=database_now()
    )
    with as_role("app"):
        return Client().get("/api/money/v1/path", wanted, headers={"Authorization": f"Bearer {key}"})


def test_a_program_reads_the_same_path(settled_world: World) -> None:
    body = ask(settled_world.hospital, kind="transaction", key="A-SETTLED").json()
    assert (body["name"], body["amount_minor"], body["foots"], len(body["steps"])) == ("A-SETTLED", 10000, True, 1)
    assert body["steps"][0]["evidence"]["message"]["msgid"] == settled_world.answer("A-SETTLED")["insurer"]["msgid"]
    assert "张三丰" not in str(body)
    answer = ask(settled_world.stranger, kind="transaction", key="A-SETTLED")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_program_without_the_scope_or_with_an_unknown_kind_is_told_so(
    settled_world: World, settings: Settings
) -> None:
    hospital = settled_world.hospital
    assert ask(hospital, Scope.TRANSACTIONS_READ, kind="transaction", key="A-SETTLED").status_code == 403
    assert ask(hospital, kind="salary", key="1").json()["code"] == "invalid_fields"
    assert ask(hospital, kind="transaction").json()["code"] == "invalid_fields"
    settings.PROFILE = "public"
    assert ask(hospital, kind="transaction", key="A-SETTLED").json()["code"] == "invalid_fields"
