"""The bank's door: payments, queries, statements. Every request passes authenticate, read, fault, work, answer."""

import asyncio
import json
import socket
import struct
import time
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from aiohttp import web

from .book import Book, MessageIdUsed, Order
from .envelope import Key, NotAuthentic, answer_headers, request_open
from .faults import FaultPlan
from .iso import BadFile, payment_read, statement_write

PREFIX = "/bank/v1/"
BODY_BYTES_MAXIMUM = 1024 * 1024
SILENCE_SECONDS_MAXIMUM = 120.0
POLL_SECONDS = 0.25
HEAD_START_SECONDS = 0.05
JSON, XML = "application/json", "application/xml"
BANKS_DAY = timezone(timedelta(hours=8))


def body_of(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def plain(status: int, code: str, text: str = "") -> web.Response:
    """An unsigned answer that says nothing about money."""
    return web.Response(status=status, body=body_of({"code": code, "text": text}), content_type=JSON)


class Bank:
    """One running bank: its book, its clock and the faults it was told to make."""

    def __init__(self, *, key: Key, book: Book, clock_offset_seconds: float = 0.0) -> None:
        self.key, self.book = key, book
        self.clock_offset_seconds = clock_offset_seconds
        self.faults = FaultPlan()
        self.booking_seconds: float | None = 0.0
        self._late: set[asyncio.Task[None]] = set()

    def now(self) -> float:
        """The bank's own clock, in unix seconds."""
        return time.time() + self.clock_offset_seconds

    def day(self) -> str:
        return datetime.fromtimestamp(self.now(), BANKS_DAY).date().isoformat()

    def due(self) -> None:
        """Book what is due by now."""
        self.book.book_due(now=self.now(), day=self.day())

    async def close(self) -> None:
        """What is late is forgotten, as by any end of the process."""
        for task in self._late:
            task.cancel()
        self.book.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers one request of a customer's program."""
        name = request.path.removeprefix(PREFIX)
        work = {"payments": self._pay, "query": self._query, "statement": self._statement}.get(name)
        if request.method != "POST" or work is None:
            return plain(404, "not_found", "POST payments, query or statement")
        try:
            body = await request.read()
            message_id = request_open(request.headers, request.path, body, key=self.key, now=self.now())
            self.due()
            return await work(request, message_id, body)
        except NotAuthentic as error:
            return plain(401, error.code)
        except BadFile as error:
            return plain(400, "bad_file", str(error))
        except web.HTTPRequestEntityTooLarge:
            return plain(413, "too_large")

    async def _pay(self, request: web.BaseRequest, message_id: str, body: bytes) -> web.StreamResponse:
        order = payment_read(body)
        fault = self.faults.draw(kind="payment", message_id=order.message_id)
        match fault:
            case "unavailable":
                return plain(503, "unavailable", "Nothing was taken.")
            case "silence":
                return await self._silence(request)
            case "ok_with_error_inside":
                return self._signed(request, message_id, {"error": {"code": "E500", "text": "Nothing was taken."}})
            case "late":
                task = asyncio.create_task(self._take_late(order, self.faults.late_seconds))
                self._late.add(task)
                task.add_done_callback(self._late.discard)
                return await self._silence(request)
        try:
            self._take(order, fault)
        except MessageIdUsed:
            return self._signed(request, message_id, {"code": "message_id_used"}, status=409)
        return await self._tell(request, message_id, order.message_id, fault)

    def _take(self, order: Order, fault: str | None = None) -> None:
        seconds = self.booking_seconds
        self.book.take(
            order,
            book_at=None if seconds is None else self.now() + seconds,
            returned="AC04" if fault == "returned" else "",
            refusal="AG01" if fault == "refuse" else "",
            day=self.day(),
        )
        self.due()

    async def _take_late(self, order: Order, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._take(order)

    async def _query(self, request: web.BaseRequest, message_id: str, body: bytes) -> web.StreamResponse:
        asked = self._content(body).get("message_id")
        if not isinstance(asked, str):
            raise BadFile("no message_id")
        fault = self.faults.draw(kind="query", message_id=asked)
        if fault == "unavailable":
            return plain(503, "unavailable")
        if fault == "silence":
            return await self._silence(request)
        if fault == "ok_with_error_inside":
            return self._signed(request, message_id, {"error": {"code": "E500", "text": "Ask again."}})
        return await self._tell(request, message_id, asked, fault)

    async def _tell(
        self, request: web.BaseRequest, message_id: str, asked: str, fault: str | None
    ) -> web.StreamResponse:
        """What the book says of a payment, as far as the fault lets it."""
        content = self._status(asked)
        if fault == "wrong_amount" and "amount_minor" in content:
            content["amount_minor"] += 1
        match fault:
            case "lost_answer":
                return await self._silence(request)
            case "garbage":
                return web.Response(body=b"\x00<html>busy</html>", content_type="text/html")
            case "reset_mid_body":
                return await self._reset(request, body_of(content))
            case "wrong_signature":
                answer = self._signed(request, message_id, content)
                answer.headers["X-Bank-Signature"] = "bm90IGl0"
                return answer
        return self._signed(request, message_id, content)

    def _status(self, message_id: str) -> dict[str, Any]:
        payment = self.book.find(message_id, day=self.day())
        if payment is None:
            return {"message_id": message_id, "status": "not_found"}
        return {
            "message_id": message_id,
            "status": payment["state"],
            "reason": payment["reason"],
            "bank_reference": f"SBP{payment['id']:010d}",
            "amount_minor": payment["amount_minor"],
            "currency": payment["currency"],
            "value_date": payment["value_date"],
        }

    async def _statement(self, request: web.BaseRequest, message_id: str, body: bytes) -> web.StreamResponse:
        content = self._content(body)
        account = self.book.account(str(content.get("account_no")))
        number = content.get("number")
        if account is None or not isinstance(number, int):
            return plain(404, "no_account")
        known = self.book.statements(account["account_no"])
        if known and self.faults.draw(kind="statement", message_id=message_id) == "duplicate_statement":
            return self._xml(request, message_id, known[-1]["body"])
        if 1 <= number <= len(known):
            return self._xml(request, message_id, known[number - 1]["body"])
        cut = self.statement_cut(account) if number == len(known) + 1 else None
        if cut is None:
            return web.Response(status=204, headers=self._headers(request, message_id, b"", JSON))
        return self._xml(request, message_id, cut)

    def statement_cut(self, account: dict[str, Any]) -> bytes | None:
        """The next statement with all that is on none yet; None when nothing is."""
        known = self.book.statements(account["account_no"])
        entries = self.book.unstated(account["account_no"])
        if not entries:
            return None
        signed = sum(e["amount_minor"] * (1 if e["direction"] == "CRDT" else -1) for e in entries)
        number = len(known) + 1
        opening = known[-1]["closing_minor"] if known else account["balance_minor"] - signed
        body, closing = statement_write(
            account=account, number=number, opening_minor=opening, entries=entries, now=self.now(), day=self.day()
        )
        self.book.state(
            account_no=account["account_no"],
            number=number,
            body=body,
            closing_minor=closing,
            entry_ids=[e["id"] for e in entries],
        )
        return body

    @staticmethod
    def _content(body: bytes) -> dict[str, Any]:
        try:
            content = json.loads(body)
        except ValueError:
            raise BadFile("not JSON") from None
        if not isinstance(content, dict):
            raise BadFile("not an object")
        return content

    def _headers(self, request: web.BaseRequest, message_id: str, body: bytes, media: str) -> dict[str, str]:
        return answer_headers(message_id, request.path, body, key=self.key, now=self.now(), media=media)

    def _signed(
        self, request: web.BaseRequest, message_id: str, content: Mapping[str, Any], status: int = 200
    ) -> web.Response:
        body = body_of(content)
        return web.Response(status=status, body=body, headers=self._headers(request, message_id, body, JSON))

    def _xml(self, request: web.BaseRequest, message_id: str, body: bytes) -> web.Response:
        return web.Response(body=body, headers=self._headers(request, message_id, body, XML))

    @staticmethod
    async def _silence(request: web.BaseRequest) -> web.StreamResponse:
        end = time.monotonic() + SILENCE_SECONDS_MAXIMUM
        while request.transport is not None and time.monotonic() < end:
            await asyncio.sleep(POLL_SECONDS)
        if request.transport is not None:
            request.transport.close()
        return web.Response()

    @staticmethod
    async def _reset(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        # A reset may overtake what the kernel has not handed over; the fault is "in the middle of the body".
        await asyncio.sleep(HEAD_START_SECONDS)
        if request.transport is not None:
            connection = request.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.transport.abort()
        return response
