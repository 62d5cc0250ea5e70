"""The proof finds what no fence stopped: rows changed with all triggers off, as a superuser could."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ledger import services
from ledger.models import Posting
from ledger.services import BookKey, HoldPost
from ledger.services.proof import CHECKS
from tests.ledger.cast import NOW, TODAY, constraints_now, drawn, hold_of, limit, mirror, settled, write
from tests.roles import as_role, rows

BALANCE, LEGS, DAYS, MIRRORS, RUNNING, ROOM, HOLDS, SNAPSHOTS, TRIAL = CHECKS


@contextmanager
def fences_off() -> Iterator[None]:
    rows("SET ROLE NONE")
    rows("SET session_replication_role = replica")
    yield
    rows("SET session_replication_role = origin")
    rows("RESET ROLE")


@pytest.fixture
def busy(book: BookKey, advances: BookKey) -> Posting:
    """A bit of everything; the plain settled posting."""
    [posting, other] = write(settled(book), settled(book))
    mirror(other)
    limit(advances, 1000)
    write(drawn(advances, 100))
    used, _ = services.holds_place(drafts=[hold_of(advances, 50), hold_of(advances, 20)], now=NOW)
    services.holds_post(posts=[HoldPost(hold_id=used.pk, posting=drawn(advances, 40))], now=NOW)
    services.period_close(book=book, day=TODAY, by="test", now=NOW + timedelta(days=1))
    services.snapshots_take(now=NOW)
    constraints_now()
    return posting


def broken() -> set[str]:
    return {check.name for check in services.prove().checks if not check.holds}


def test_a_sound_ledger_is_proven_as_worker(busy: Posting) -> None:
    with as_role("worker"):
        proof = services.prove()
    assert proof.holds
    # What the apps above prove has nothing to look at here.
    assert all(check.examined for check in proof.checks if check.name in CHECKS)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE ledger_leg SET amount_minor = amount_minor + 1 WHERE posting_id = %(id)s AND line_no = 1",
         {BALANCE, SNAPSHOTS, TRIAL}),
        ("DELETE FROM ledger_leg WHERE posting_id = %(id)s", {BALANCE, SNAPSHOTS}),
        ("DELETE FROM ledger_leg WHERE posting_id = %(id)s AND line_no = 1", {BALANCE, SNAPSHOTS, TRIAL}),
        ("DELETE FROM ledger_posting WHERE id = %(id)s", {LEGS}),
        ("UPDATE ledger_leg SET account_id = 0 WHERE posting_id = %(id)s AND line_no = 1", {LEGS, SNAPSHOTS, TRIAL}),
        ("UPDATE ledger_posting SET booked_day = booked_day + 1 WHERE id = %(id)s", {LEGS, DAYS}),
        ("UPDATE ledger_leg SET amount_minor = amount_minor + 1 "
         "WHERE posting_id = (SELECT id FROM ledger_posting WHERE reverses_id IS NOT NULL)",
         {BALANCE, MIRRORS, SNAPSHOTS, TRIAL}),
        ("UPDATE ledger_accountbalance SET balance_minor = 7 WHERE balance_minor > 0", {RUNNING}),
        ("UPDATE ledger_accountbalance SET held_up_minor = 7 WHERE held_up_minor > 0", {ROOM}),
        ("DELETE FROM ledger_accountbalance", {RUNNING, ROOM}),
        ("UPDATE ledger_hold SET state = 'EXPIRED', resolved_minor = 0 WHERE state = 'OPEN'", {ROOM}),
        ("UPDATE ledger_hold SET resolved_minor = 41 WHERE state = 'POSTED'", {HOLDS}),
        ("UPDATE ledger_snapshot SET debit_minor = debit_minor + 1", {SNAPSHOTS}),
    ],
)  # fmt: skip
def test_it_finds_the_damage(busy: Posting, damage: str, found: set[str]) -> None:
    assert broken() == set()
    with fences_off():
        rows(damage % {"id": f"'{busy.pk}'"})
    assert broken() == found


def test_it_names_the_offender_and_counts_the_rest(busy: Posting) -> None:
    with fences_off():
        rows("DELETE FROM ledger_leg WHERE posting_id = %s", [busy.pk])
    [check] = services.prove(names=[BALANCE]).checks
    assert (check.offending, check.offenders) == (1, (str(busy.pk),))


def test_it_can_look_at_the_newer_postings_only(busy: Posting) -> None:
    with fences_off():
        rows("DELETE FROM ledger_leg WHERE posting_id = %s", [busy.pk])
    assert services.prove(names=[BALANCE], first_day=TODAY + timedelta(days=1)).holds


def test_the_command_prints_a_table_and_fails_with_the_ids(busy: Posting) -> None:
    out = StringIO()
    with as_role("worker"):
        call_command("ledger_prove", stdout=out)
    assert "The ledger holds." in out.getvalue()
    assert all(name in out.getvalue() for name in CHECKS)
    with fences_off():
        rows("DELETE FROM ledger_posting WHERE id = %s", [busy.pk])
    with pytest.raises(CommandError, match=str(busy.pk)) as caught:
        call_command("ledger_prove", stdout=StringIO())
    error: Any = caught.value
    assert error.returncode == 1
