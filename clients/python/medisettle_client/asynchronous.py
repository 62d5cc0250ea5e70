"""The client for programs that run on asyncio or trio."""

from __future__ import annotations

import datetime as time_of
import os
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import anyio
from anyio.to_thread import run_sync

from medisettle_client import calls
from medisettle_client.addresses import Addresses
from medisettle_client.answers import Verdict
from medisettle_client.calls import Call, Reply
from medisettle_client.closing import DayResult, ShiftResult
from medisettle_client.desk import AbnormalEntry, AbnormalPage, Bill, Lane, MessagePath, Slip
from medisettle_client.limits import Limits
from medisettle_client.line import Line
from medisettle_client.problems import MediSettleError, Problem, StoreError, Unanswered
from medisettle_client.reading import Unreadable
from medisettle_client.store import Kept, Store
from medisettle_client.watching import Change, Reading
from medisettle_client.wishes import ListedFee, Wish

AGENT = "medisettle-client/0.1.0"
SLIP_TYPES = {"html": "text/html", "pdf": "application/pdf"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What became of a kept request: its verdict, or why there is none yet (then it is still kept) or never will be."""

    his_no: str
    act: str
    verdict: Verdict | None
    error: MediSettleError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome[Answer]:
    """`done`: there is nothing left to ask for."""

    answer: Answer | None
    problem: Problem | None
    done: bool


class AsyncClient:
    """A hospital's way to MediSettle. One per process and event loop; close it, or use it with `async with`.

    Every method raises Problem when the platform says no, and Unanswered when nobody answers in time: then nothing
    is known, and nothing has failed. Methods that act raise StoreError when they cannot keep what they would send.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        client_key: str,
        *,
        store: str | os.PathLike[str] | None = None,
        store_key: str | os.PathLike[str] | None = None,
        limits: Limits | None = None,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        """`addresses` of all listeners. `store` is a folder of this client's own for what is not answered yet; without
        it only questions can be asked. `store_key` is the file of the store's key, in the same folder if not named.
        Raises ValueError, StoreError.
        """
        self.limits = limits or Limits()
        self._line = Line(Addresses(addresses), client_key=client_key, limits=self.limits, verify=verify, agent=AGENT)
        self._store = store and Store(
            Path(store), key_file=Path(store_key) if store_key else None, limit=self.limits.kept_requests
        )

    async def close(self) -> None:
        await self._line.close()
        if self._store:
            self._store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # Wishes -------------------------------------------------------------------------------------------------------

    async def settle(self, wish: Wish | Mapping[str, Any], *, wait_seconds: float | None = None) -> Verdict:
        """Settle a fee. `pending` means: not known yet, it may be settled; never settle it under another his_no."""
        return await self._do(calls.wish_call(wish, operation="settle", of=None, wait_seconds=wait_seconds))

    async def presettle(self, wish: Wish | Mapping[str, Any], *, wait_seconds: float | None = None) -> Verdict:
        """What a settlement would say; moves no money."""
        return await self._do(calls.wish_call(wish, operation="presettle", of=None, wait_seconds=wait_seconds))

    async def eligibility(self, wish: Wish | Mapping[str, Any], *, wait_seconds: float | None = None) -> Verdict:
        """Whether the person is covered."""
        return await self._do(calls.wish_call(wish, operation="eligibility", of=None, wait_seconds=wait_seconds))

    async def cancel(
        self, wish: Wish | Mapping[str, Any], *, of: str | None = None, wait_seconds: float | None = None
    ) -> Verdict:
        """Cancel the settled transaction `of`, under a his_no of its own."""
        return await self._do(calls.wish_call(wish, operation="cancel", of=of, wait_seconds=wait_seconds))

    async def resettle(
        self, wish: Wish | Mapping[str, Any], *, of: str | None = None, wait_seconds: float | None = None
    ) -> Verdict:
        """Cancel the settled transaction `of` and settle the rest; answers for the second half, `<his_no>~2`."""
        return await self._do(calls.wish_call(wish, operation="resettle", of=of, wait_seconds=wait_seconds))

    async def get(self, his_no: str) -> Verdict:
        """The current verdict. A Problem `not_found` promises nothing about a wish whose answer was lost."""
        verdict = await self._do(calls.question(calls.path_of(his_no), calls.verdict_of, his_no=his_no))
        if self._store and verdict.is_final:
            await run_sync(self._store.forget_wishes, his_no, [verdict.operation])
        return verdict

    # What the hospital tells about a wish -------------------------------------------------------------------------

    async def acknowledge(self, his_no: str, *, verdict: str | None = None) -> Verdict:
        """The hospital has booked the verdict (if named: that one, or 409)."""
        return await self._do(calls.act_call("acknowledge", his_no, {"verdict": verdict}))

    async def abandon(
        self,
        his_no: str,
        *,
        self_paid_minor: int,
        collected_at: time_of.datetime,
        tender: str = "cash",
        receipt_no: str | None = None,
        visit_no: str | None = None,
        bill_no: str | None = None,
        total_minor: int | None = None,
        currency: str | None = None,
    ) -> Verdict:
        """The cashier took cash instead; the platform owns the reversal. May come late; say it as often as you like,
        with the same `collected_at` and receipt. Visit, bill and total tell of a wish that may never have arrived.
        A 409 brings the verdict that came first: the cash is stored all the same, what is due back is in it.
        """
        cash = {"self_paid_minor": self_paid_minor, "collected_at": _utc(collected_at), "tender": tender}
        bill = {"visit_no": visit_no, "bill_no": bill_no, "total_minor": total_minor, "currency": currency}
        return await self._do(calls.act_call("abandon", his_no, {**cash, "receipt_no": receipt_no, **bill}))

    async def disown(self, his_no: str, *, reason: str) -> Verdict:
        """The hospital never booked this success: reverse it. For a deal that both sides know use `cancel`."""
        return await self._do(calls.act_call("disown", his_no, {"reason": reason}))

    async def refunded(
        self,
        his_no: str,
        *,
        amount_minor: int,
        refund_no: str,
        tender: str | None = None,
        original_tender_ref: str | None = None,
        red_receipt_no: str | None = None,
    ) -> Verdict:
        """The patient got this much back."""
        refund = {"amount_minor": amount_minor, "refund_no": refund_no, "tender": tender}
        refund |= {"original_tender_ref": original_tender_ref, "red_receipt_no": red_receipt_no}
        return await self._do(calls.act_call("refunded", his_no, refund))

    async def service_cancelled(self, his_no: str) -> Verdict:
        """The service will not be given: all cash is due back."""
        return await self._do(calls.act_call("service-cancelled", his_no, {}))

    # Questions ----------------------------------------------------------------------------------------------------

    async def slip(self, his_no: str, *, form: Literal["html", "pdf"] = "html") -> Slip:
        """The printable slip of a pending transaction."""
        return await self._do(calls.slip_call(his_no, media_type=SLIP_TYPES[form]))

    async def messages(self, his_no: str) -> MessagePath:
        """What was asked and every message that followed, masked."""
        return await self._do(calls.messages_call(his_no))

    async def bill(self, visit_no: str, bill_no: str = "") -> Bill:
        """Every transaction and self-payment of a bill, and whether it is square. A visit may be the bill itself."""
        return await self._do(calls.bill_call(visit_no, bill_no))

    async def lanes(self) -> tuple[Lane, ...]:
        """The way to each insurer, so that a cashier knows before he tries."""
        return await self._do(calls.lanes_call())

    async def put_day(
        self,
        business_date: time_of.date,
        rows: Sequence[ListedFee | Mapping[str, Any]],
        *,
        signed_by: str | None = None,
        second_by: str | None = None,
        as_of: time_of.datetime | None = None,
    ) -> DayResult:
        """The hospital's own list of a business day (in its time zone); with `signed_by` it is signed, and then
        replaced only with two names. `as_of`: what was settled later is not missed; without it, now.
        """
        told = {"signed_by": signed_by, "second_by": second_by, "as_of": None if as_of is None else _utc(as_of)}
        body = {"rows": list(rows), **{name: value for name, value in told.items() if value is not None}}
        return await self._do(calls.day_put_call(business_date, body))

    async def get_day(self, business_date: time_of.date) -> DayResult:
        """The list against ours, and against the insurers' files."""
        return await self._do(calls.day_call(business_date))

    async def close_shift(self, shift_no: str, totals: Mapping[str, int], *, currency: str = "CNY") -> ShiftResult:
        """What the till holds per tender (minor units) in; settled, unknown by name, due back, difference out. Once."""
        return await self._do(calls.shift_call(shift_no, totals, currency))

    # The abnormal feed --------------------------------------------------------------------------------------------

    async def abnormal(self) -> AsyncIterator[AbnormalEntry]:
        """All that needs somebody now, oldest first: one reading from the top, page by page."""
        cursor: str | None = None
        for _ in range(self.limits.feed_pages):
            page: AbnormalPage = await self._do(calls.abnormal_call(cursor))
            for entry in page.entries:
                yield entry
            cursor = page.cursor
            if cursor is None:
                return
        raise MediSettleError(f"the abnormal feed did not end within {self.limits.feed_pages} pages")

    async def changes(self, *, name: str = "watch") -> AsyncIterator[Change]:
        """One reading of the feed: what is new, changed or gone since `name` was last shown it; also over a restart.

        A change counts as shown when the next is asked for: if the program dies before, it comes again.
        """
        reading = await run_sync(Reading, self._needed_store(), name)
        async for entry in self.abnormal():
            if change := reading.change(entry):
                yield change
                await run_sync(reading.shown, change)
        for change in await run_sync(lambda: list(reading.left())):
            yield change
            await run_sync(reading.shown, change)

    async def watch(self, *, name: str = "watch", every_seconds: float | None = None) -> AsyncIterator[Change]:
        """Follow the feed for ever; each `name` has a memory of its own.

        Outages are waited out, for as long as `limits.watch_outage_seconds`; only then raises Unanswered.
        """
        give_up_at = time.monotonic() + self.limits.watch_outage_seconds
        while True:
            try:
                async for change in self.changes(name=name):
                    yield change
                give_up_at = time.monotonic() + self.limits.watch_outage_seconds
            except Unanswered:
                if time.monotonic() > give_up_at:
                    raise
            await anyio.sleep(self.limits.watch_every_seconds if every_seconds is None else every_seconds)

    # What is not answered yet -------------------------------------------------------------------------------------

    async def kept(self) -> list[Kept]:
        """The requests that nobody has answered yet, oldest first."""
        return await run_sync(self._needed_store().kept)

    async def resume(self, *, wait_seconds: float = 0.0) -> AsyncIterator[Resumed]:
        """Ask again for everything that is kept, with the keys and bodies of the first time: oldest first, but cash
        that was taken is told before the wish itself, which then is not settled if it never arrived.

        An answered one is forgotten when the next is asked for: if the program dies before, it comes again.
        """
        store = self._needed_store()
        for kept in sorted(await run_sync(store.kept), key=lambda kept: kept.act != "abandon"):
            call = calls.kept_again(kept.act, kept.his_no, key=kept.key, body=kept.body, wait_seconds=wait_seconds)
            try:
                outcome = await self._outcome(call, doubtful=True)
            except Unanswered as unanswered:
                yield Resumed(his_no=kept.his_no, act=kept.act, verdict=None, error=unanswered)
                continue
            yield Resumed(his_no=kept.his_no, act=kept.act, verdict=outcome.answer, error=outcome.problem)
            if outcome.done:
                await run_sync(store.forget, kept.key)

    async def forget(self, kept: Kept) -> None:
        """Give up a kept request: whoever does this has found out on another way what became of it."""
        await run_sync(self._needed_store().forget, kept.key)

    # Below --------------------------------------------------------------------------------------------------------

    async def _do[Answer](self, call: Call[Answer]) -> Answer:
        if not call.kept:
            return _told(await self._outcome(call, doubtful=False))
        assert call.key is not None and call.his_no is not None and call.body is not None  # noqa: S101, PT018
        store = self._needed_store()
        since = time_of.datetime.now(time_of.UTC)
        kept = Kept(key=call.key, his_no=call.his_no, act=call.act, since=since, body=call.body)
        # Durable before a byte leaves.
        was_there = await run_sync(store.keep, kept)
        outcome = await self._outcome(call, doubtful=was_there)
        if outcome.done:
            await run_sync(store.forget, call.key)
        return _told(outcome)

    async def _outcome[Answer](self, call: Call[Answer], *, doubtful: bool) -> _Outcome[Answer]:
        """What the platform says to one request. `doubtful`: it may have been sent before. Raises Unanswered."""
        told = await self._line.ask(call)
        if told.reply.status >= 400:
            problem = Problem(told.reply.json, status=told.reply.status)
            return _Outcome(answer=None, problem=problem, done=_ends(problem, call, doubtful or told.doubtful))
        answer = _read(call, told.reply)
        pending = call.is_wish and isinstance(answer, Verdict) and not answer.is_final
        return _Outcome(answer=answer, problem=None, done=not pending)

    def _needed_store(self) -> Store:
        if not self._store:
            raise StoreError("this client has no store: name a folder to keep in it what is not answered yet")
        return self._store


def _ends(problem: Problem, call: Call[Any], doubtful: bool) -> bool:
    """Whether there is nothing left to ask for after this refusal.

    A refusal for another cause (a revoked key, a wrong address, a fault) says nothing about an earlier attempt; and a
    fact, such as cash that was taken, stays one.
    """
    if problem.speaks_of_the_request:
        return True
    return call.is_wish and not doubtful and problem.status < 500


def _read[Answer](call: Call[Answer], reply: Reply) -> Answer:
    try:
        return call.answer(reply)
    except Unreadable as unreadable:
        raise Unanswered(
            f"an answer in another form than agreed: {unreadable}", his_no=call.his_no, key=call.key, trace_id=""
        ) from unreadable


def _told[Answer](outcome: _Outcome[Answer]) -> Answer:
    if outcome.problem is not None:
        raise outcome.problem
    return outcome.answer  # type: ignore[return-value]


def _utc(moment: time_of.datetime) -> str:
    """RFC 3339 in UTC. Raises ValueError for a time of no zone."""
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone")
    return moment.astimezone(time_of.UTC).isoformat().replace("+00:00", "Z")
