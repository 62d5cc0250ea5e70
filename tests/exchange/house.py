"""Two hospitals, an insurer with a lane and a route: what job A needs before a wish can be received."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from accounts.models import Organisation
from accounts.services import organisation_create
from accounts.states import OrganisationKind
from core.clock import database_now
from core.crypto import ring
from core.ids import new_trace_id
from core.row_security import seen_by
from exchange.models import InsurerInterface, Transaction
from exchange.selectors import interfaces, routing
from exchange.services.interfaces import capabilities_grant, interface_define, interface_key_add, route_add
from exchange.services.receive import Received, WishDraft, transactions_receive
from exchange.states import GrantSource
from journal import drain
from journal.handlers import Outcome, Work, handlers
from journal.models import Lane
from journal.services import lane_define, worker_group_define
from tests.roles import as_role

SECRET = bytes(range(32))
SCHEME, REGION = "310", "110000"
ID_NO = "110101199001011237"
# A port of loopback on which nobody listens, and which nobody without privileges can take.
NOBODY = "http://127.0.0.1:9"
_numbers = itertools.count(1)
_loop = asyncio.new_event_loop()


@dataclass(frozen=True)
class House:
    hospital: Organisation
    stranger: Organisation
    insurer: Organisation
    interface: InsurerInterface
    lane: Lane


def forget_processes() -> None:
    """Caches of this process outlive a test; the rows they speak of do not."""
    ring.forget()
    interfaces.interfaces_forget()
    routing.routes_forget()
    for handler in handlers().values():
        if breaker := getattr(handler, "breaker", None):
            breaker.readings.clear()


def organisation(code: str, kind: OrganisationKind) -> Organisation:
    return organisation_create(
        code=code, kind=kind, name=f"The {code}", name_zh=f"{code}机构", actor="platform", now=database_now()
    )


def connect(code: str, *, base_url: str = NOBODY, scheme: str = SCHEME, cap: int = 200) -> InsurerInterface:
    """An insurer of its own with interface, key, lane and route."""
    insurer = organisation(code, OrganisationKind.INSURER)
    lane = lane_define(code=code.lower(), group=worker_group_define(code="main"), cap_in_flight=cap)
    interface = interface_define(code=code, insurer_id=insurer.pk, lane=lane, base_url=base_url)
    interface_key_add(interface=interface, key_id="k1", secret=SECRET, now=database_now())
    granted = {"can_query_by_msgid": True, "accept_window_seconds": 2}
    capabilities_grant(interface=interface, values=granted, source=GrantSource.DEMO, by="platform", now=database_now())
    route_add(scheme=scheme, region="*", interface=interface, valid_from=date(2020, 1, 1))
    return interface


def make_house(base_url: str = NOBODY) -> House:
    forget_processes()
    interface = connect("INS-A", base_url=base_url)
    return House(
        hospital=organisation("HOSP-A", OrganisationKind.HOSPITAL),
        stranger=organisation("HOSP-B", OrganisationKind.HOSPITAL),
        insurer=interface.insurer,
        interface=interface,
        lane=interface.lane,
    )


def draft(house: House, his_no: str = "", *, hospital: Organisation | None = None, **changes: Any) -> WishDraft:
    """A wish as the listener hands it on. Without changes each has a bill of its own."""
    number = next(_numbers)
    his_no = his_no or f"HIS-{number:06d}"
    body = {
        "his_no": his_no,
        "operation": changes.get("operation", "settle"),
        "person": {"id_type": "01", "id_no": changes.pop("id_no", ID_NO), "name": "张三丰"},
        "visit": {"visit_no": changes.get("visit_no", f"V-{his_no}")},
        "bill": {"bill_no": changes.get("bill_no", "B-1"), "batch_no": changes.get("batch_no", "")},
        "items": [{"line_no": 1, "code": "XM0001", "quantity": "1", "amount_minor": changes.get("total_minor", 10000)}],
        "total_minor": changes.get("total_minor", 10000),
        "currency": "CNY",
        "note": changes.pop("note", ""),
    }
    values: dict[str, Any] = {
        "organisation_id": (hospital or house.hospital).pk,
        "by": "key:till",
        "idempotency_key": f"key-{his_no}",
        "his_no": his_no,
        "operation": "settle",
        "scheme": SCHEME,
        "region": REGION,
        "visit_no": f"V-{his_no}",
        "bill_no": "B-1",
        "batch_no": "",
        "inpatient": False,
        "total_minor": 10000,
        "currency": "CNY",
        "body": body,
        "digest": hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest(),
        "trace_id": new_trace_id(),
    }
    return WishDraft(**(values | changes))


def receive(*drafts: WishDraft, as_app: bool = True) -> list[Received]:
    """Store wishes as the listener does: as role app, seeing the drafts' own hospitals only."""
    with as_role("app") if as_app else nullcontext(), seen_by({one.organisation_id for one in drafts}):
        return transactions_receive(drafts=drafts, now=database_now())


def received(*drafts: WishDraft) -> list[Transaction]:
    """The stored transactions; the test fails when one was not admitted."""
    results = receive(*drafts)
    assert [str(one.problem) for one in results if one.problem is not None] == []
    return [Transaction.objects.get(pk=one.transaction_id) for one in results if one.transaction_id is not None]


def take(house: House, *, free: int = 200, overdue_seconds: float = 0.0) -> drain.Turn:
    """Claim and arm what is due on the house's lane, as a worker's database thread does."""
    with as_role("worker"):
        return drain.jobs_take(free_slots={house.lane.pk: free}, overdue=timedelta(seconds=overdue_seconds))


def perform(works: Sequence[Work]) -> list[Outcome]:
    """Really send, and close the connections: they belong to this loop, and others in this process have theirs."""

    async def all_of_them() -> list[Outcome]:
        try:
            return list(await asyncio.gather(*(_perform(work) for work in works)))
        finally:
            for handler in handlers().values():
                if hasattr(handler, "close"):
                    await handler.close()

    return _loop.run_until_complete(all_of_them())


async def _perform(work: Work) -> Outcome:
    try:
        return Outcome(work, result=await handlers()[work.job.kind].perform(work))  # type: ignore[union-attr]
    except Exception as error:
        return Outcome(work, error=error)


def conclude(outcomes: Sequence[Outcome]) -> None:
    with as_role("worker"):
        drain.outcomes_conclude(outcomes)


def work_off(house: House) -> None:
    """Arm, send and conclude everything that is due now."""
    conclude(perform(take(house).works))


def fresh(row: Transaction) -> Transaction:
    return Transaction.objects.get(pk=row.pk)


def move_insurer(house: House, base_url: str) -> None:
    """The house's insurer answers at another address from now on."""
    interface_define(code=house.interface.code, insurer_id=house.insurer.pk, lane=house.lane, base_url=base_url)
    interfaces.interfaces_forget()
