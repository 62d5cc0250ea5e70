"""The client for programs without an event loop: the same client, run by a loop in a thread of its own.

So both have one behaviour, and a total deadline that holds even against a server that drips.
"""

from __future__ import annotations

import contextlib
import datetime as time_of
import os
import ssl
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Literal, Self

import anyio
from anyio.from_thread import BlockingPortal

from medisettle_client.answers import Verdict
from medisettle_client.asynchronous import AsyncClient, Resumed
from medisettle_client.closing import DayResult, ShiftResult
from medisettle_client.desk import AbnormalEntry, Bill, Lane, MessagePath, Slip
from medisettle_client.limits import Limits
from medisettle_client.problems import MediSettleError
from medisettle_client.store import Kept
from medisettle_client.watching import Change
from medisettle_client.wishes import ListedFee, Wish

START_SECONDS = 30.0


class Client:
    """AsyncClient without `await`; its methods say more. Safe to use from several threads, one per process.

    Close it, or use it with `with`.
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
        """As AsyncClient. Raises ValueError, StoreError."""
        self._client = AsyncClient(
            addresses, client_key, store=store, store_key=store_key, limits=limits, verify=verify
        )
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._loop: _Loop | None = None

    @property
    def limits(self) -> Limits:
        return self._client.limits

    def close(self) -> None:
        self._run(self._client.close)
        with self._lock:
            if self._loop is not None:
                self._loop.stop()
            self._loop = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Wishes -------------------------------------------------------------------------------------------------------

    def settle(self, wish: Wish | Mapping[str, Any], *, wait_seconds: float | None = None) -> Verdict:
        """Settle a fee. `pending` means: not known yet, it may be settled; never settle it under another his_no."""
        return self._run(lambda: self._client.settle(wish, wait_seconds=wait_seconds))

    def presettle(self, wish: Wish | Mapping[str, Any], *, wait_seconds: float | None = None) -> Verdict:
        """What a settlement would say; moves no money."""
        return self._run(lambda: self._client.presettle(wish, wait_seconds=wait_seconds))

    def eligibility(self, wish: Wish | Mapping[str, Any], *, wait_seconds: float | None = None) -> Verdict:
        """Whether the person is covered."""
        return self._run(lambda: self._client.eligibility(wish, wait_seconds=wait_seconds))

    def cancel(
        self, wish: Wish | Mapping[str, Any], *, of: str | None = None, wait_seconds: float | None = None
    ) -> Verdict:
        """Cancel the settled transaction `of`, under a his_no of its own."""
        return self._run(lambda: self._client.cancel(wish, of=of, wait_seconds=wait_seconds))

    def resettle(
        self, wish: Wish | Mapping[str, Any], *, of: str | None = None, wait_seconds: float | None = None
    ) -> Verdict:
        """Cancel the settled transaction `of` and settle the rest; answers for the second half, `<his_no>~2`."""
        return self._run(lambda: self._client.resettle(wish, of=of, wait_seconds=wait_seconds))

    def get(self, his_no: str) -> Verdict:
        """The current verdict. A Problem `not_found` promises nothing about a wish whose answer was lost."""
        return self._run(lambda: self._client.get(his_no))

    # What the hospital tells about a wish -------------------------------------------------------------------------

    def acknowledge(self, his_no: str, *, verdict: str | None = None) -> Verdict:
        """The hospital has booked the verdict (if named: that one, or 409)."""
        return self._run(lambda: self._client.acknowledge(his_no, verdict=verdict))

    def abandon(
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
        """The cashier took cash instead; the platform owns the reversal. A 409 brings the verdict that came first."""
        return self._run(
            lambda: self._client.abandon(
                his_no,
                self_paid_minor=self_paid_minor,
                collected_at=collected_at,
                tender=tender,
                receipt_no=receipt_no,
                visit_no=visit_no,
                bill_no=bill_no,
                total_minor=total_minor,
                currency=currency,
            )
        )

    def disown(self, his_no: str, *, reason: str) -> Verdict:
        """The hospital never booked this success: reverse it. For a deal that both sides know use `cancel`."""
        return self._run(lambda: self._client.disown(his_no, reason=reason))

    def refunded(
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
        return self._run(
            lambda: self._client.refunded(
                his_no,
                amount_minor=amount_minor,
                refund_no=refund_no,
                tender=tender,
                original_tender_ref=original_tender_ref,
                red_receipt_no=red_receipt_no,
            )
        )

    def service_cancelled(self, his_no: str) -> Verdict:
        """The service will not be given: all cash is due back."""
        return self._run(lambda: self._client.service_cancelled(his_no))

    # Questions ----------------------------------------------------------------------------------------------------

    def slip(self, his_no: str, *, form: Literal["html", "pdf"] = "html") -> Slip:
        """The printable slip of a pending transaction."""
        return self._run(lambda: self._client.slip(his_no, form=form))

    def messages(self, his_no: str) -> MessagePath:
        """What was asked and every message that followed, masked."""
        return self._run(lambda: self._client.messages(his_no))

    def bill(self, visit_no: str, bill_no: str = "") -> Bill:
        """Every transaction and self-payment of a bill, and whether it is square. A visit may be the bill itself."""
        return self._run(lambda: self._client.bill(visit_no, bill_no))

    def lanes(self) -> tuple[Lane, ...]:
        """The way to each insurer, so that a cashier knows before he tries."""
        return self._run(self._client.lanes)

    def put_day(
        self,
        business_date: time_of.date,
        rows: Sequence[ListedFee | Mapping[str, Any]],
        *,
        signed_by: str | None = None,
        second_by: str | None = None,
        as_of: time_of.datetime | None = None,
    ) -> DayResult:
        """The hospital's own list of a business day (in its time zone); with `signed_by` it is signed."""
        return self._run(
            lambda: self._client.put_day(business_date, rows, signed_by=signed_by, second_by=second_by, as_of=as_of)
        )

    def get_day(self, business_date: time_of.date) -> DayResult:
        """The list against ours, and against the insurers' files."""
        return self._run(lambda: self._client.get_day(business_date))

    def close_shift(self, shift_no: str, totals: Mapping[str, int], *, currency: str = "CNY") -> ShiftResult:
        """What the till holds per tender (minor units) in; settled, unknown by name, due back, difference out. Once."""
        return self._run(lambda: self._client.close_shift(shift_no, totals, currency=currency))

    # The abnormal feed --------------------------------------------------------------------------------------------

    def abnormal(self) -> Iterator[AbnormalEntry]:
        """All that needs somebody now, oldest first: one reading from the top, page by page."""
        return self._iterate(self._client.abnormal)

    def changes(self, *, name: str = "watch") -> Iterator[Change]:
        """One reading of the feed: what is new, changed or gone since `name` was last shown it; also over a restart."""
        return self._iterate(lambda: self._client.changes(name=name))

    def watch(self, *, name: str = "watch", every_seconds: float | None = None) -> Iterator[Change]:
        """Follow the feed for ever; each `name` has a memory of its own."""
        return self._iterate(lambda: self._client.watch(name=name, every_seconds=every_seconds))

    # What is not answered yet -------------------------------------------------------------------------------------

    def kept(self) -> list[Kept]:
        """The requests that nobody has answered yet, oldest first."""
        return self._run(self._client.kept)

    def resume(self, *, wait_seconds: float = 0.0) -> Iterator[Resumed]:
        """Ask again for everything that is kept, oldest first, with the keys and bodies of the first time."""
        return self._iterate(lambda: self._client.resume(wait_seconds=wait_seconds))

    def forget(self, kept: Kept) -> None:
        """Give up a kept request: whoever does this has found out on another way what became of it."""
        return self._run(lambda: self._client.forget(kept))

    # Below --------------------------------------------------------------------------------------------------------

    def _run[Answer](self, work: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        task = self._portal().start_task_soon(work)
        try:
            answer: Answer = task.result()
        except BaseException:
            # Interrupted while it waits: then the call ends too, and what acts is kept.
            task.cancel()
            raise
        return answer

    def _iterate[Entry](self, make: Callable[[], AsyncIterator[Entry]]) -> Iterator[Entry]:
        """An asynchronous iteration, step by step."""
        entries = make()
        while (found := self._run(lambda: _next(entries))) is not None:
            yield found

    def _portal(self) -> BlockingPortal:
        if self._pid != os.getpid():
            raise MediSettleError("this client was made before a fork: make one per process")
        with self._lock:
            if self._loop is None:
                self._loop = _Loop()
                weakref.finalize(self, self._loop.ask_to_stop)
            return self._loop.portal


async def _next[Entry](entries: AsyncIterator[Entry]) -> Entry | None:
    return await anext(entries, None)


class _Loop:
    """An event loop in a thread that holds nobody up: a program that ends without closing its client does end."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        opened: Future[BlockingPortal] = Future()
        self._thread = threading.Thread(target=anyio.run, args=[_serve, opened], name="medisettle-client", daemon=True)
        self._thread.start()
        self.portal = opened.result(START_SECONDS)

    def ask_to_stop(self) -> None:
        """Waits for nothing. In a forked process there is no such thread."""
        if self._pid == os.getpid() and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):
                self.portal.start_task_soon(self.portal.stop)

    def stop(self) -> None:
        self.ask_to_stop()
        self._thread.join()


async def _serve(opened: Future[BlockingPortal]) -> None:
    async with BlockingPortal() as portal:
        opened.set_result(portal)
        await portal.sleep_until_stopped()
