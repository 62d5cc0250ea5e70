"""The insurer's door: the SPI modules. Every request passes authenticate, read, fault, work, answer."""

import asyncio
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from . import wire
from .book import Book, BookBusy
from .claims import ClaimsDesk
from .envelope import Envelope, Key, NotAuthentic, answer_headers, request_open
from .faults import MONEY_KINDS, FaultPlan
from .messages import (
    BadMessage,
    Cancel,
    PushedClaim,
    Query,
    Reverse,
    Settle,
    Trial,
    body_read,
    claim_read,
    money_read,
    query_read,
    refused,
    trial_read,
)
from .profiles import Profile, outcome_of
from .rules import Reply, Rules, amounts, answer_bytes

BODY_BYTES_MAXIMUM = 2 * 1024 * 1024
READS_REMEMBERED_MAXIMUM = 50_000
LATE_ANSWER_SECONDS = 5.0
RUNNING_SECONDS = 2.0
SPI_PREFIX = "/spi/v1/"
READ_KINDS = ("eligibility", "presettle", "query")
MODULES = (*READ_KINDS, *MONEY_KINDS, "claim")
REFUSAL_ON_REQUEST = ("refused_on_request", "The sandbox was told to refuse this call.")
WRONG_ID_NO = "000000000000000000"


def problem(status: int, code: str, text: str) -> web.Response:
    """An unsigned answer that is no business answer."""
    return web.Response(status=status, body=answer_bytes({"code": code, "text": text}), content_type="application/json")


class Insurer:
    """One running insurer: its book, its promises, its clock and the faults it was told to make."""

    def __init__(
        self,
        *,
        code: str,
        profile: Profile,
        key: Key,
        book: Book,
        clock_offset_seconds: float,
        callback_url: str = "",
    ) -> None:
        self.code, self.profile, self.key, self.book = code, profile, key, book
        self.rules = Rules(code, profile)
        self.clock_offset_seconds = clock_offset_seconds
        self.claims = ClaimsDesk(code=code, key=key, book=book, now=self.now, callback_url=callback_url)
        self.latency_seconds = 0.0
        self.faults = FaultPlan()
        self.replayed_messages = 0
        self._order = wire.Order()
        self._reads_seen: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        # Messages that were read and are not worked yet, with the event "a reversal came"; True: a query must say so.
        self._in_hand: dict[str, tuple[asyncio.Event, bool]] = {}
        self._late: set[asyncio.Task[Reply]] = set()

    def now(self) -> float:
        """The insurer's own clock, in unix seconds."""
        return time.time() + self.clock_offset_seconds

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers one SPI request."""
        place = self._order.arrive()
        module = request.path.removeprefix(SPI_PREFIX)
        if request.method != "POST" or module not in MODULES:
            return problem(404, "not_found", f"POST {SPI_PREFIX}{{{'|'.join(MODULES)}}}")
        try:
            body = await request.read()
            now = self.now()
            envelope = request_open(request.headers, request.path, body, key=self.key, own_code=self.code, now=now)
            content = body_read(body)
            if not self.profile.answers:
                return await wire.silence(request)
            if module == "claim":
                return await self._claim(request, place, envelope, claim_read(content))
            if module in MONEY_KINDS:
                return await self._money(request, place, envelope, money_read(module, content), body)
            if not self._is_first_or_same(module, envelope.message_id, body):
                return self._answer(envelope, b'{"code":"message_id_used"}', status=409)
            answer = await self._read(module, content)
            return await self._order.send(request, self._answer(envelope, answer_bytes(answer)), place)
        except NotAuthentic as error:
            return problem(401, error.code, error.text)
        except BadMessage as error:
            return self._answer(envelope, answer_bytes({"code": "bad_message", "text": str(error)}), status=400)
        except web.HTTPRequestEntityTooLarge:
            return problem(413, "too_large", f"A body may have {BODY_BYTES_MAXIMUM} bytes.")
        except BookBusy:
            return problem(503, "busy", "Too much is waiting; nothing was booked.")

    def _answer(self, envelope: Envelope, body: bytes, *, status: int = 200) -> web.Response:
        return web.Response(status=status, body=body, headers=self._headers(envelope, body))

    def _headers(self, envelope: Envelope, body: bytes) -> dict[str, str]:
        return answer_headers(envelope, body, key=self.key, own_code=self.code, now=self.now())

    def _is_first_or_same(self, module: str, message_id: str, body: bytes) -> bool:
        """Reads need no stored answer: the same question under the same id is simply answered from the book again."""
        digest = hashlib.sha256(body).digest()
        seen = self._reads_seen.setdefault((module, message_id), digest)
        if len(self._reads_seen) > READS_REMEMBERED_MAXIMUM:
            self._reads_seen.popitem(last=False)
        return seen == digest

    async def _read(self, module: str, content: Mapping[str, Any]) -> dict[str, Any]:
        if module == "query":
            query = query_read(content)
            await self._work_time()
            return await self._query(query)
        trial = trial_read(module, content)
        await self._work_time()
        return self._presettle(trial) if module == "presettle" else self._eligibility(trial)

    async def _work_time(self) -> None:
        if self.latency_seconds:
            await asyncio.sleep(self.latency_seconds)

    def _presettle(self, trial: Trial) -> dict[str, Any]:
        outcome = outcome_of(trial.id_no)
        if outcome.refusal is not None:
            return refused(trial, *outcome.refusal)
        return trial.done(person={"id_no": trial.id_no}, **amounts(trial.total_minor, trial.currency, outcome))

    def _eligibility(self, trial: Trial) -> dict[str, Any]:
        return trial.done(
            covered=outcome_of(trial.id_no).covered,
            person={"id_no": trial.id_no},
            scheme=trial.insurance.get("scheme"),
            region=trial.insurance.get("region"),
        )

    async def _query(self, query: Query) -> dict[str, Any]:
        answer = await self.book.execute(lambda book: self.rules.query(book, query))
        if answer["code"] == "not_found" and query.of_msgid in self._in_hand:
            shown = self._in_hand[query.of_msgid][1] or self.profile.not_found_is_final
            return query.answer("running") if shown else answer
        return answer

    async def _money(
        self,
        request: web.BaseRequest,
        place: int,
        envelope: Envelope,
        message: Settle | Cancel | Reverse,
        body: bytes,
    ) -> web.StreamResponse:
        plan = self.faults
        fault = plan.draw(kind=message.kind, his_no=message.his_no)
        match fault:
            case "unavailable":
                return problem(503, "unavailable", "The sandbox was told to be unavailable; nothing was booked.")
            case "silence_without_commit":
                return await wire.silence(request)
            case "ok_with_error_inside":
                error = {"code": "E500", "text": "The sandbox was told to fail inside; nothing was booked."}
                return self._answer(envelope, answer_bytes(message.done(error=error)))
            case "late_commit":
                delay_seconds = self.profile.max_processing_seconds if plan.late_seconds is None else plan.late_seconds
                late = asyncio.create_task(self._work(message, envelope, body, delay_seconds=delay_seconds))
                self._late.add(late)
                late.add_done_callback(self._late.discard)
                return await wire.silence(request)
            case "commit_running":
                reply = await self._work(message, envelope, body, running_seconds=RUNNING_SECONDS)
            case "refuse":
                reply = await self._work(message, envelope, body, refusal=REFUSAL_ON_REQUEST)
            case "duplicate_delivery":
                reply, _ = await asyncio.gather(
                    self._work(message, envelope, body), self._work(message, envelope, body)
                )
            case _:
                reply = await self._work(message, envelope, body)
        return await self._leave(request, place, envelope, reply, fault, plan)

    async def _claim(
        self, request: web.BaseRequest, place: int, envelope: Envelope, claim: PushedClaim
    ) -> web.StreamResponse:
        plan = self.faults
        fault = plan.draw(kind="claim", his_no=claim.claim_no)
        if fault == "unavailable":
            return problem(503, "unavailable", "The sandbox was told to be unavailable; nothing was booked.")
        if fault == "silence_without_commit":
            return await wire.silence(request)
        await self._work_time()
        reply = await self.claims.take(claim)
        return await self._leave(request, place, envelope, reply, fault, plan)

    async def _work(
        self,
        message: Settle | Cancel | Reverse,
        envelope: Envelope,
        body: bytes,
        *,
        delay_seconds: float = 0.0,
        running_seconds: float = 0.0,
        refusal: tuple[str, str] | None = None,
    ) -> Reply:
        """Takes the insurer's time, then books. A delay ends early when a reversal of the message comes."""
        if delay_seconds or running_seconds or self.latency_seconds:
            await self._take_time(message.msgid, delay_seconds, running_seconds)
        reply = await self.book.execute(
            lambda book: self.rules.once(
                book, message, message_id=envelope.message_id, body=body, now=self.now(), refusal=refusal
            )
        )
        self.replayed_messages += reply.replayed
        if isinstance(message, Reverse) and message.of_msgid in self._in_hand:
            self._in_hand[message.of_msgid][0].set()
        return reply

    async def _take_time(self, msgid: str, delay_seconds: float, running_seconds: float) -> None:
        reversal_came, is_shown = self._in_hand.get(msgid, (asyncio.Event(), False))
        self._in_hand[msgid] = (reversal_came, is_shown or running_seconds > 0)
        try:
            await asyncio.sleep(self.latency_seconds + running_seconds)
            if delay_seconds:
                async with asyncio.timeout(delay_seconds):
                    await reversal_came.wait()
        except TimeoutError:
            pass
        finally:
            self._in_hand.pop(msgid, None)

    async def _leave(
        self,
        request: web.BaseRequest,
        place: int,
        envelope: Envelope,
        reply: Reply,
        fault: str | None,
        plan: FaultPlan,
    ) -> web.StreamResponse:
        body = reply.body
        match fault:
            case "commit_then_silence":
                return await wire.silence(request)
            case "commit_then_late_answer":
                await asyncio.sleep(LATE_ANSWER_SECONDS if plan.late_seconds is None else plan.late_seconds)
            case "reset_mid_body":
                return await wire.reset_mid_body(request, self._headers(envelope, body), body)
            case "drip":
                return await wire.drip(request, self._headers(envelope, body), body)
            case "reorder":
                await self._order.overtaken(place)
            case "corrupt_json":
                # Signed as it is, so that only a reader of the JSON can notice.
                body = body[: len(body) // 2] + b"\xff" + body[len(body) // 2 : -1]
            case "wrong_amount":
                # The composition still adds up: only the total differs from the one that was asked for.
                body = self._changed(body, total_minor=1, cash_minor=1)
            case "wrong_person":
                body = answer_bytes(json.loads(body) | {"person": {"id_no": WRONG_ID_NO}})
            case "wrong_signature":
                headers = self._headers(envelope, body + b" ")
                return web.Response(body=body, headers=headers)
        response = self._answer(envelope, body, status=409 if reply.conflict else 200)
        return await self._order.send(request, response, place)

    def _changed(self, body: bytes, **by_minor: int) -> bytes:
        answer = json.loads(body)
        return answer_bytes(answer | {name: answer.get(name, 0) + minor for name, minor in by_minor.items()})

    async def close(self) -> None:
        """Forgets what it has read and not booked, as a crash would, and closes the book."""
        for late in self._late:
            late.cancel()
        await self.claims.close()
        await asyncio.gather(*self._late, return_exceptions=True)
        await self.book.close()
