"""The audit trail: sealed in order, and every way of tampering with it is found and named."""

from __future__ import annotations

import time
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts.models import AuditEntry, AuditSeal
from accounts.services import AuditProof, audit_prove, audit_seal, audit_write
from core.crypto import ring
from tests.accounts.conftest import NOW
from tests.roles import as_role, rows

pytestmark = pytest.mark.django_db(transaction=True)


def act(action: str = "export.made", *, organisation_id: int = 0) -> None:
    audit_write(
        actor="user:chen", organisation_id=organisation_id, action=action, subject="张三", details={"rows": 7}, now=NOW
    )


def seal(minutes: int = 0, *, when_all_have_ended: bool = True) -> AuditSeal | None:
    # Transactions of other tests, in other databases of the same server, hold the horizon back as well.
    # Any transaction of the server holds it up, also one of another worker's long test.
    limit = time.monotonic() + 180
    ended = "SELECT coalesce(max(written_in), 0) < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
    while when_all_have_ended and time.monotonic() < limit and rows(f"{ended} FROM accounts_auditentry") == [(False,)]:
        time.sleep(0.05)
    with as_role("worker"):
        return audit_seal(now=NOW + timedelta(minutes=minutes))


def prove() -> AuditProof:
    ring.forget()
    with as_role("worker"):
        return audit_prove(now=NOW)


def as_intruder(sql: str) -> None:
    """Somebody with every right in the database, who also knows how to switch the triggers off."""
    for table in ("accounts_auditentry", "accounts_auditseal"):
        rows(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    try:
        rows(sql)
    finally:
        for table in ("accounts_auditentry", "accounts_auditseal"):
            rows(f"ALTER TABLE {table} ENABLE TRIGGER USER")
            rows(f"ALTER TABLE {table} DISABLE TRIGGER append_only_whole")


@pytest.fixture
def three_seals() -> list[int]:
    """Three seals of two entries each; returns the ids of the entries."""
    for minute in range(3):
        act("first.done")
        act("second.done")
        assert seal(minute)
    assert prove().faults == []
    return list(AuditEntry.objects.order_by("id").values_list("pk", flat=True))


def test_the_database_says_in_which_transaction_an_act_was_written() -> None:
    with transaction.atomic():
        act()
        assert rows("SELECT written_in = pg_current_xact_id()::text::bigint FROM accounts_auditentry") == [(True,)]


def test_a_seal_covers_what_was_written_since_the_last_one() -> None:
    act()
    first = seal()
    act()
    act()
    second = seal(1)
    assert first is not None
    assert second is not None
    assert (first.entries, second.entries) == (1, 2)
    assert (second.from_horizon, bytes(second.previous)) == (first.horizon, bytes(first.digest))
    proof = prove()
    assert (proof.seals, proof.entries, proof.waiting, proof.faults) == (2, 3, 0, [])


def test_an_empty_minute_makes_no_seal() -> None:
    assert seal() is None
    act()
    assert seal(1)
    assert seal(2) is None
    assert AuditSeal.objects.count() == 1


def test_an_entry_still_being_written_elsewhere_waits_for_the_next_seal() -> None:
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute(
                "INSERT INTO accounts_auditentry (organisation_id, at, actor, action, subject, details, trace_id) "
                "VALUES (0, now(), 'slow', 'slow.act', '', '{}', '')"
            )
        act("quick.act")
        # The quick act has ended, but its transaction is younger than the open one: neither is sealed yet.
        assert seal(when_all_have_ended=False) is None
        other.commit()
    finally:
        other.close()
    sealed = seal(1)
    assert sealed is not None
    assert sealed.entries == 2
    assert prove().faults == []


def test_only_one_seals_at_a_time() -> None:
    act()
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(7266002)")
        assert seal() is None
    finally:
        other.close()
    assert seal()


def test_an_entry_that_was_rolled_back_leaves_no_gap_in_the_proof() -> None:
    act()
    with transaction.atomic():
        act()
        transaction.set_rollback(True)
    assert seal()
    assert prove().faults == []


def test_an_untouched_chain_is_whole(three_seals: list[int]) -> None:
    act()
    proof = prove()
    assert (proof.seals, proof.entries, proof.waiting, proof.faults) == (3, 6, 1, [])


@pytest.mark.parametrize(
    "change",
    ["actor = 'user:li'", "details = '{\"rows\": 8}'", "at = at + interval '1 microsecond'", "organisation_id = 9"],
)
def test_a_changed_entry_is_named(three_seals: list[int], change: str) -> None:
    as_intruder(f"UPDATE accounts_auditentry SET {change} WHERE id = {three_seals[3]}")
    assert [fault.split(": ")[1] for fault in prove().faults] == [f"entry {three_seals[3]} was changed"]


def test_a_removed_entry_is_named(three_seals: list[int]) -> None:
    as_intruder(f"DELETE FROM accounts_auditentry WHERE id = {three_seals[2]}")
    assert any(f"entry {three_seals[2]} is gone" in fault for fault in prove().faults)


def test_an_entry_slipped_in_under_an_old_horizon_is_named(three_seals: list[int]) -> None:
    as_intruder(
        "INSERT INTO accounts_auditentry (organisation_id, at, actor, action, subject, details, trace_id, written_in) "
        "SELECT 0, at, actor, 'late.act', '', '{}', '', written_in FROM accounts_auditentry "
        f"WHERE id = {three_seals[1]}"
    )
    late = AuditEntry.objects.get(action="late.act").pk
    assert any(f"entry {late} was added after it was sealed" in fault for fault in prove().faults)


def test_an_entry_before_all_seals_is_named(three_seals: list[int]) -> None:
    as_intruder(
        "INSERT INTO accounts_auditentry (organisation_id, at, actor, action, subject, details, trace_id, written_in) "
        "VALUES (0, now(), '', 'early.act', '', '{}', '', -5)"
    )
    assert any("no seal covers it" in fault for fault in prove().faults)


def test_a_removed_seal_is_found(three_seals: list[int]) -> None:
    middle = AuditSeal.objects.order_by("horizon")[1].pk
    as_intruder(f"DELETE FROM accounts_auditseal WHERE id = {middle}")
    assert any("does not follow the one before it" in fault for fault in prove().faults)


@pytest.mark.parametrize("change", ["sealed_at = now()", "leaves = ''", "entries = 3", "horizon = horizon + 1"])
def test_a_changed_seal_is_found(three_seals: list[int], change: str) -> None:
    last = AuditSeal.objects.order_by("-horizon")[0].pk
    as_intruder(f"UPDATE accounts_auditseal SET {change} WHERE id = {last}")
    assert any(f"seal {last} was changed" in fault for fault in prove().faults)


def test_an_entry_and_its_seal_changed_together_are_found_as_the_key_is_not_in_the_database(
    three_seals: list[int],
) -> None:
    """Without the master key the intruder can only guess at the keyed digest."""
    as_intruder(f"UPDATE accounts_auditentry SET actor = 'user:li' WHERE id = {three_seals[0]}")
    as_intruder("UPDATE accounts_auditseal SET digest = sha256(previous || leaves)")
    assert len(prove().faults) >= 2


def test_the_command_ends_well_over_a_whole_chain(three_seals: list[int]) -> None:
    out = StringIO()
    with as_role("worker"):
        call_command("audit_verify", stdout=out)
    assert "3 seals over 6 entries" in out.getvalue()
    assert "the chain is whole" in out.getvalue()


def test_the_command_names_the_entry_and_fails(three_seals: list[int]) -> None:
    as_intruder(f"UPDATE accounts_auditentry SET actor = 'user:li' WHERE id = {three_seals[0]}")
    with as_role("worker"), pytest.raises(CommandError, match=f"entry {three_seals[0]} was changed") as error:
        call_command("audit_verify", stdout=StringIO())
    assert error.value.returncode == 1
