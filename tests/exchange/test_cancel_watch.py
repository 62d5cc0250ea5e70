"""A cancel that was held for not booked is watched; what another cancel has done says nothing of it."""

from __future__ import annotations

import json
import socket
from typing import Any

from pytest_django import Settings

from core.clock import database_now
from exchange.models import Transaction
from exchange.selectors.interfaces import interfaces_forget
from exchange.services.interfaces import capabilities_grant
from exchange.states import GrantSource
from journal.models import Job
from tests.exchange.house import House, draft, fresh, move_insurer, received, work_off
from tests.exchange.peer import answer_to, peer, signed


class Book:
    """An insurer with one settlement, which loses the cancels that it is told to lose."""

    def __init__(self) -> None:
        self.state = "settled"
        self.settled: dict[str, Any] = {}
        self.lose = True

    def __call__(self, connection: socket.socket, headers: dict[str, str], request: dict[str, Any]) -> bool:
        module = headers[":path"].rpartition("/")[2]
        if module == "cancel" and self.lose:
            return False
        answer = getattr(self, f"_{module}")(request)
        connection.sendall(signed(headers, json.dumps(answer).encode()))
        return True

    def _settle(self, request: dict[str, Any]) -> dict[str, Any]:
        self.settled = answer_to(request)
        return self.settled

    def _cancel(self, request: dict[str, Any]) -> dict[str, Any]:
        self.state = "cancelled"
        frame = {"msgid": request["msgid"], "his_no": request["his_no"], "code": "done", "reason": None}
        return frame | {"settlement_no": "C-1", "cancelled": request["settlement_no"]}

    def _query(self, request: dict[str, Any]) -> dict[str, Any]:
        frame = {"msgid": request["msgid"], "his_no": request["his_no"], "code": "done", "reason": None}
        return frame | {"found": self.settled | {"kind": "settle", "state": self.state}}


def cancel(house: House, of: Transaction) -> Transaction:
    changes: dict[str, Any] = {"operation": "cancel", "of": of.his_no, "total_minor": None}
    (row,) = received(draft(house, **changes))
    return row


def test_a_cancel_that_did_not_happen_is_not_revived_by_the_one_that_did(house: House, settings: Settings) -> None:
    book = Book()
    quick = {"max_processing_seconds": 1}
    capabilities_grant(
        interface=house.interface, values=quick, source=GrantSource.DEMO, by="platform", now=database_now()
    )
    interfaces_forget()
    with peer(book) as insurer:
        move_insurer(house, insurer.base_url)
        (fee,) = received(draft(house))
        work_off(house)
        lost = cancel(house, fee)
        work_off(house)
        assert fresh(lost).state == "IN_DOUBT"
        settings.CLOCK_OFFSET_SECONDS = 20
        work_off(house)
        assert (fresh(lost).state, fresh(lost).reason_code) == ("REJECTED", "not_found_after_quiet")
        assert [job.kind for job in Job.objects.all()] == ["exchange.watch"]
        book.lose = False
        done = cancel(house, fee)
        work_off(house)
        assert (fresh(done).state, fresh(fee).state) == ("SUCCEEDED", "CANCELLED")
        settings.CLOCK_OFFSET_SECONDS = 40
        work_off(house)
    assert (fresh(lost).state, fresh(fee).state) == ("REJECTED", "CANCELLED")
