"""The machine of a transaction, in Python and in PostgreSQL: each move that is allowed, each other one refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django_fsm import TransitionNotAllowed

from core.models import Transition
from core.row_security import seen_by
from core.transitions import RowMoved, write_many
from exchange.models import Call, Evidence, IdempotencyKey, Transaction, Verdict
from exchange.states import TransactionState
from tests.exchange.house import House, draft, fresh, received, take
from tests.roles import as_role, refused, rows

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
# The table of transactions.md, written down a second time.
MOVES = {
    "RECEIVED": {"SENDING", "REJECTED", "NOT_SENT"},
    "SENDING": {"SUCCEEDED", "REJECTED", "IN_DOUBT", "NOT_SENT", "REVERSING"},
    "IN_DOUBT": {"SUCCEEDED", "REJECTED", "REVERSING", "NEEDS_HUMAN", "NOT_SENT"},
    "SUCCEEDED": {"CANCELLED", "REVERSING"},
    "CANCELLED": set(),
    "REJECTED": {"REVERSING"},
    "REVERSING": {"REVERSED", "NEEDS_HUMAN"},
    "REVERSED": {"REVERSING"},
    "NOT_SENT": {"REVERSING"},
    "NEEDS_HUMAN": {"SUCCEEDED", "REVERSED", "REJECTED", "REVERSING"},
}
METHODS = {
    "arm": "SENDING",
    "stay_unsent": "NOT_SENT",
    "succeed": "SUCCEEDED",
    "reject": "REJECTED",
    "doubt": "IN_DOUBT",
    "reverse": "REVERSING",
    "reversal_accepted": "REVERSED",
    "cancelled": "CANCELLED",
    "ask_a_person": "NEEDS_HUMAN",
}
PARTS = "fund_minor = 8000, account_minor = 0, hospital_minor = 0, cash_minor = 2000"


@pytest.fixture
def wish(house: House) -> Transaction:
    return received(draft(house, "W-1"))[0]


def put(row: Transaction, state: str) -> None:
    """Set a state that the row did not come to by itself."""
    unguarded(f"state = '{state}', {PARTS} WHERE id = '{row.pk}'")


def unguarded(change: str) -> None:
    # A table with checks that are still to come cannot be altered.
    rows("SET CONSTRAINTS ALL IMMEDIATE")
    rows("ALTER TABLE exchange_transaction DISABLE TRIGGER USER")
    rows(f"UPDATE exchange_transaction SET {change}")
    rows("ALTER TABLE exchange_transaction ENABLE TRIGGER USER")


def test_the_table_names_every_state() -> None:
    assert set(MOVES) == set(TransactionState.values)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("state", MOVES)
def test_python_allows_a_move_only_along_the_table(state: str, method: str) -> None:
    row = Transaction(state=state)
    if METHODS[method] in MOVES[state]:
        getattr(row, method)()
        assert row.state == METHODS[method]
    else:
        with pytest.raises(TransitionNotAllowed):
            getattr(row, method)()
        assert row.state == state


def test_python_has_no_move_beside_these() -> None:
    field: Any = Transaction._meta.get_field("state")
    found = {(str(move.source), str(move.target)) for move in field.get_all_transitions(Transaction)}
    assert found == {(state, target) for state, targets in MOVES.items() for target in targets}


def test_the_state_cannot_be_assigned() -> None:
    with pytest.raises(AttributeError):
        Transaction(state="RECEIVED").state = "SUCCEEDED"


def test_the_triggers_moves_are_the_flow_classes_moves(db: None) -> None:
    ((arguments,),) = rows(
        "SELECT tgargs FROM pg_trigger WHERE tgname = 'state_guard' AND tgrelid = 'exchange_transaction'::regclass"
    )
    moves, births = bytes(arguments).decode().rstrip("\0").split("\0")
    field: Any = Transaction._meta.get_field("state")
    in_python = {f"{move.source!s}>{move.target!s}" for move in field.get_all_transitions(Transaction)}
    assert set(moves.split(",")) == in_python
    assert births == "RECEIVED,NOT_SENT", "a tombstone is born unsent"


@pytest.mark.parametrize("before", MOVES)
def test_plain_sql_moves_only_along_the_table(wish: Transaction, before: str) -> None:
    for after in MOVES:
        put(wish, before)
        statement = "UPDATE exchange_transaction SET version = version + 1, state = %s WHERE id = %s"
        if after == before or after in MOVES[before]:
            rows(statement, [after, wish.pk])
        else:
            with refused(f"may not go from {before} to {after}"):
                rows(statement, [after, wish.pk])


@pytest.mark.parametrize("state", [state for state in MOVES if state != "RECEIVED"])
def test_no_transaction_is_born_in_another_state(wish: Transaction, state: str) -> None:
    columns = "organisation_id, operation, operation_class, interface_id, person_index, body_digest, sealed_body, "
    columns += "currency, shares, received_at, state_at, state_by, trace_id, batch_no, inpatient, settlement_no, "
    columns += "reason_code, insurer_code, insurer_text, version, state_reason"
    says = "a wish begins as RECEIVED" if state == "NOT_SENT" else f"cannot begin as {state}"
    with as_role("worker"), refused(says):
        rows(
            f"INSERT INTO exchange_transaction (id, his_no, state, {columns}) "
            f"SELECT gen_random_uuid(), 'W-2', %s, {columns} FROM exchange_transaction",
            [state],
        )


def test_a_bulk_write_leaves_a_history_row_for_each(house: House) -> None:
    wishes = received(*(draft(house) for _ in range(3)))
    with as_role("worker"):
        for row in wishes:
            row.arm()
            row.moved(now=NOW, by="lane", reason="armed")
        write_many(wishes, fields=["state"])
    for row in wishes:
        (entry,) = Transition.objects.filter(entity="exchange_transaction", entity_id=str(row.pk))
        assert (entry.from_state, entry.to_state, entry.version) == ("RECEIVED", "SENDING", 1)
        assert (entry.by, entry.reason, entry.at, entry.trace_id) == ("lane", "armed", NOW, row.trace_id)


def test_a_bulk_statement_of_plain_sql_leaves_them_too(house: House) -> None:
    received(*(draft(house) for _ in range(3)))
    with as_role("worker"):
        rows("UPDATE exchange_transaction SET state = 'NOT_SENT', version = version + 1, state_by = 'somebody'")
    assert Transition.objects.filter(to_state="NOT_SENT", by="somebody").count() == 3


def test_of_two_writers_who_read_the_same_version_the_second_is_told(wish: Transaction) -> None:
    one, other = fresh(wish), fresh(wish)
    with as_role("worker"):
        one.arm()
        one.moved(now=NOW, by="one")
        write_many([one], fields=["state"])
        other.stay_unsent()
        other.moved(now=NOW, by="other")
        with pytest.raises(RowMoved):
            write_many([other], fields=["state"])
    assert fresh(wish).state == "SENDING"


@pytest.mark.parametrize("table", ["exchange_transaction", "exchange_call"])
def test_nobody_deletes(house: House, wish: Transaction, table: str) -> None:
    take(house)
    with refused("never deleted"):
        rows(f"DELETE FROM {table}")
    with as_role("worker"), refused("never deleted"):
        rows(f"DELETE FROM {table}")
    with as_role("app"), seen_by([house.hospital.pk]), refused("permission denied"):
        rows(f"DELETE FROM {table}")


@pytest.mark.parametrize(
    "change",
    [
        "his_no = 'W-9'",
        "operation = 'presettle'",
        "operation_class = 'READS'",
        "bill_id = NULL",
        "person_index = '\\x00'",
        "body_digest = '\\x00'",
        "total_minor = 1",
        "currency = 'USD'",
        "received_at = received_at - interval '1 day'",
    ],
)
def test_what_the_hospital_asked_for_does_not_change(wish: Transaction, change: str) -> None:
    with as_role("worker"), refused("what the hospital asked for does not change"):
        rows(f"UPDATE exchange_transaction SET version = version + 1, {change}")


@pytest.mark.parametrize("change", ["msgid = 'MS1'", "deadline = deadline + interval '1 hour'", "sealed_request = ''"])
def test_a_stored_message_does_not_change(house: House, wish: Transaction, change: str) -> None:
    take(house)
    with as_role("worker"), refused("a stored message does not change"):
        rows(f"UPDATE exchange_call SET {change}")


def test_an_outcome_is_written_once(house: House, wish: Transaction) -> None:
    take(house)
    with as_role("worker"):
        rows("UPDATE exchange_call SET outcome = 'UNKNOWN', outcome_at = armed_at")
        with refused("this call has its outcome"):
            rows("UPDATE exchange_call SET outcome = 'DONE'")
        with refused("this call has its outcome"):
            rows("UPDATE exchange_call SET sealed_answer = 'x'")


def test_proven_amounts_do_not_change(wish: Transaction) -> None:
    put(wish, "SUCCEEDED")
    with as_role("worker"), refused("amounts that were proven do not change"):
        rows("UPDATE exchange_transaction SET version = version + 1, fund_minor = 7000, cash_minor = 3000")


def test_parts_that_do_not_make_the_total_are_refused(wish: Transaction) -> None:
    with as_role("worker"), refused("the_parts_make_the_total"):
        rows(f"UPDATE exchange_transaction SET version = version + 1, {PARTS.replace('2000', '1999')}")


def test_no_fee_succeeds_without_its_parts(wish: Transaction) -> None:
    put(wish, "SENDING")
    unguarded("cash_minor = NULL")
    with as_role("worker"), refused("a_settled_fee_has_its_parts"):
        rows("UPDATE exchange_transaction SET version = version + 1, state = 'SUCCEEDED'")


@pytest.mark.parametrize("model", [Evidence, Verdict, IdempotencyKey])
def test_what_was_said_is_append_only(house: House, wish: Transaction, model: Any) -> None:
    rows("UPDATE exchange_transaction SET sealed_body = 'x', version = version + 1")
    take(house)
    table = model._meta.db_table
    assert model.objects.count() == 1
    for statement in (f"UPDATE {table} SET transaction_id = transaction_id", f"DELETE FROM {table}"):
        with refused("append-only"):
            rows(statement)
        with as_role("worker"), refused("permission denied"):
            rows(statement)


def test_role_app_cannot_move_a_transaction(house: House, wish: Transaction) -> None:
    with as_role("app"), seen_by([house.hospital.pk]):
        for state in ("SENDING", "REJECTED"):
            with refused("only a worker proves that"):
                rows("UPDATE exchange_transaction SET state = %s, version = version + 1", [state])
    assert Call.objects.count() == 0
