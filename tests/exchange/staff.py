"""People of the house's hospital, and transactions that only people can end."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from pytest_django import Settings

from accounts.models import Organisation, User
from accounts.services import user_create
from accounts.states import Role
from core.clock import database_now
from core.ids import new_trace_id
from core.row_security import seen_by
from exchange.models import Transaction
from exchange.services.acts import ActDraft, Acted, act_apply
from exchange.services.resolve import doubts_arm
from tests.exchange.house import House, draft, fresh, move_insurer, received, work_off
from tests.exchange.peer import Script, answering, peer, sending
from tests.roles import as_role

PASSWORD = "correct-horse-47-staple"


def person(username: str, home: Organisation, *roles: Role) -> User:
    return user_create(
        username=username,
        display_name=username.title(),
        organisation_id=home.pk,
        roles=list(roles),
        password=PASSWORD,
        actor="platform",
        now=database_now(),
    )


def cashier(home: Organisation, name: str = "chen") -> User:
    return person(name, home, Role.HOSPITAL_CASHIER)


def back_office(home: Organisation, name: str = "bai") -> User:
    return person(name, home, Role.HOSPITAL_BACK_OFFICE)


def say(row: Transaction, act: str, **values: Any) -> Acted:
    """One act of the HIS, as its listener applies it."""
    told = ActDraft(
        organisation_id=row.organisation_id,
        by="key:till",
        idempotency_key=f"{act}-{row.his_no}-{values}",
        digest=repr(values).encode(),
        act=act,
        his_no=row.his_no,
        values=values,
        trace_id=new_trace_id(),
    )
    with as_role("app"), seen_by([row.organisation_id]):
        return act_apply(draft=told, now=database_now())


def met(house: House, script: Script, **changes: Any) -> Transaction:
    """A wish that was sent to an insurer that follows `script`."""
    (row,) = received(draft(house, **changes))
    with peer(script) as insurer:
        move_insurer(house, insurer.base_url)
        work_off(house)
    return fresh(row)


def settled(house: House, **changes: Any) -> Transaction:
    row = met(house, answering(), **changes)
    assert row.state == "SUCCEEDED"
    return row


def doubtful(house: House, **changes: Any) -> Transaction:
    row = met(house, sending(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), **changes)
    assert row.state == "IN_DOUBT"
    return row


def handed_over(row: Transaction, settings: Settings) -> Transaction:
    """The same, once every ladder is used up: a person has it."""
    settings.LADDERS = {**settings.LADDERS, "query": (), "reverse": ()}
    later = database_now() + timedelta(hours=1)
    with as_role("worker"), seen_by([]):
        for _ in range(2):
            doubts_arm(transaction_ids=[row.pk], now=later, monotonic_now=time.monotonic())
    row = fresh(row)
    assert row.state == "NEEDS_HUMAN"
    return row
