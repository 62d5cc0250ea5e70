"""A hospital's day over the real services and the real PostgreSQL, with processes that die at any commit.

One `Day` is one hospital with one insurer. Time is the database's plus an offset that the day moves on; work is taken,
sent and concluded step by step, so that between any two commits everything else may happen. What happens is decided by
`random`: a seed, or Hypothesis.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.states import OrganisationKind
from chaos.facts import Cash, Told, Wished
from core.clock import database_now
from core.errors import Problem
from core.ids import new_trace_id
from core.row_security import seen_by
from exchange.services.acts import ActDraft, act_apply
from exchange.services.interfaces import (
    FLAGS,
    NUMBERS,
    capabilities_grant,
    interface_define,
    interface_key_add,
    route_add,
)
from exchange.services.receive import WishDraft, transactions_receive
from exchange.services.verdicts import answers_give
from exchange.states import GrantSource
from insurers.sandbox.profiles import PROFILES
from journal import drain
from journal.handlers import Outcome, Work
from journal.services import lane_define, worker_group_define
from tests.exchange.house import NOBODY, SECRET, House, draft, forget_processes, organisation
from tests.roles import as_role, rows
from tests.simulation.insurer import ModelInsurer

TOTAL_MINOR = 10000
_numbers = itertools.count(1)


class ProcessDied(Exception):
    """Thrown inside a commit: nothing of it happened, and whoever was at it is gone."""


class Day:
    """`told`, `wished`, `cash` are what the hospital knows; `armed` and `coming` what dies with a process."""

    def __init__(self, random: Random, profile: str) -> None:
        self.random, self.number = random, next(_numbers)
        self.hospital_code, self.insurer_code = f"HOSP-{self.number}", f"INS-{self.number}"
        self.insurer = ModelInsurer(self.insurer_code, SECRET, profile, random)
        self.house = self._house()
        forget_processes()
        self.told: list[Told] = []
        self.wished: dict[str, Wished] = {}
        self.drafts: dict[str, WishDraft] = {}
        self.cash: list[Cash] = []
        self.armed: list[Work] = []
        self.coming: list[tuple[datetime, Outcome]] = []
        self.steps: list[str] = []

    def _house(self) -> House:
        now = database_now()
        hospital = organisation(self.hospital_code, OrganisationKind.HOSPITAL)
        insurer = organisation(self.insurer_code, OrganisationKind.INSURER)
        lane = lane_define(code=self.insurer_code.lower(), group=worker_group_define(code="main"))
        interface = interface_define(code=self.insurer_code, insurer_id=insurer.pk, lane=lane, base_url=NOBODY)
        interface_key_add(interface=interface, key_id="k1", secret=SECRET, now=now)
        known = self.insurer.profile
        granted = {name: getattr(known, name) for name in sorted(FLAGS | NUMBERS) if hasattr(known, name)}
        capabilities_grant(interface=interface, values=granted, source=GrantSource.DEMO, by="platform", now=now)
        route_add(scheme=self.scheme, region="*", interface=interface, valid_from=date(2020, 1, 1))
        return House(hospital, hospital, insurer, interface, lane)

    @property
    def scheme(self) -> str:
        return f"{self.number:03d}"

    def bill_of(self, his_no: str) -> tuple[str, str, str]:
        """The bill of a noted wish, or of the second half of a resettle."""
        return self.wished[his_no.partition("~")[0]].bill

    # The hospital -------------------------------------------------------------------------------------------------

    def wish(self, *, operation: str = "settle", bill: str = "", **changes: Any) -> str:
        """A new wish; where it is admitted it is noted. Returns its his_no."""
        his_no = f"D{self.number}-{len(self.drafts):03d}"
        bill = bill or his_no
        one = draft(
            self.house,
            his_no,
            operation=operation,
            visit_no=f"V-{bill}",
            bill_no=f"B-{bill}",
            scheme=self.scheme,
            **changes,
        )
        self.drafts[his_no] = one
        self.post(his_no)
        return his_no

    def post(self, his_no: str) -> None:
        """Send a wish's request, perhaps not for the first time; what is admitted is noted."""
        now, one = database_now(), self.drafts[his_no]
        with as_role("app"), seen_by({self.house.hospital.pk}):
            (received,) = transactions_receive(drafts=[one], now=now)
        self.steps.append(f"{now:%H:%M:%S} post {his_no}: {received.problem.code if received.problem else 'taken'}")
        # A wish whose cash came first is refused, and known from then on.
        if received.problem is None or received.problem.code == "abandoned_before":
            self.wished[his_no] = Wished(
                his_no=his_no,
                hospital=self.hospital_code,
                visit_no=one.visit_no,
                bill_no=one.bill_no,
                operation=one.operation,
                insurer=self.insurer_code,
                total_minor=TOTAL_MINOR,
                of=one.of,
                replaces=one.replaces,
                retry_of=one.retry_of,
            )

    def act(self, act: str, his_no: str, **values: Any) -> str:
        """Say something of a wish; returns the code of the refusal, or nothing."""
        now = database_now()
        told = ActDraft(
            organisation_id=self.house.hospital.pk,
            by="key:till",
            idempotency_key=f"act-{len(self.told)}-{his_no}",
            digest=hashlib.sha256(json.dumps([act, his_no, values], sort_keys=True).encode()).digest(),
            act=act,
            his_no=his_no,
            values=values,
            trace_id=new_trace_id(),
        )
        with as_role("app"), seen_by({self.house.hospital.pk}):
            try:
                acted = act_apply(draft=told, now=now)
                problem = acted.problem
            except Problem as refused:
                problem = refused
        code = problem.code if problem else ""
        self.steps.append(f"{now:%H:%M:%S} {act} {his_no} {values}: {code or 'done'}")
        self._hear(act, his_no, 409 if problem else 200, code)
        return code

    def abandon(self, his_no: str, minor: int) -> None:
        receipt = f"R-{len(self.told)}"
        self.act("abandon", his_no, self_paid_minor=minor, receipt_no=receipt, tender="cash")
        self.cash.append(Cash(his_no=his_no, bill=self.bill_of(his_no), minor=minor, number=receipt))

    def refund(self, his_no: str, minor: int) -> None:
        number = f"F-{len(self.told)}"
        if not self.act("refunded", his_no, amount_minor=minor, refund_no=number, tender="cash"):
            self.cash.append(Cash(his_no=his_no, bill=self.bill_of(his_no), minor=-minor, number=number))

    def ask(self, his_no: str) -> dict[str, Any]:
        """GET: the answer, which is stored before it is told."""
        return self._hear("get", his_no, 200, "")

    def _hear(self, act: str, his_no: str, status: int, code: str) -> dict[str, Any]:
        with as_role("app"), seen_by({self.house.hospital.pk}):
            (answer,) = answers_give(organisation_id=self.house.hospital.pk, his_nos=[his_no], now=database_now())
        body = answer if isinstance(answer, dict) else {}
        verdict = str(body.get("verdict", ""))
        self.told.append(Told(his_no=his_no, asked=his_no, act=act, status=status, code=code, verdict=verdict))
        return body

    # The platform's processes -------------------------------------------------------------------------------------

    def take(self) -> None:
        """Claim what is due and arm it, in one commit."""
        with as_role("worker"):
            turn = drain.jobs_take(
                free_slots={self.house.lane.pk: self.random.choice((1, 3, 200))}, overdue=timedelta()
            )
        self.armed += turn.works
        self.steps += [f"{database_now():%H:%M:%S} armed {work.payload.kind} {self._name(work)}" for work in turn.works]

    def take_and_die(self) -> None:
        """The process is killed before its commit: nothing was armed, and nothing may be sent."""
        with as_role("worker"), suppress(ProcessDied), transaction.atomic():
            drain.jobs_take(free_slots={self.house.lane.pk: 200}, overdue=timedelta())
            raise ProcessDied
        self.steps.append("killed while arming")

    def send(self, *, at_most: int = 200) -> None:
        """Put armed messages on the wire; what comes back is kept until somebody concludes it."""
        now = database_now()
        sent, self.armed = self.armed[:at_most], self.armed[at_most:]
        for work in sent:
            receipt, ready_at = self.insurer.take(work.payload, now=now)
            self.coming.append((ready_at, Outcome(work, result=receipt)))
            said = receipt.failure or f"{receipt.status} {receipt.body[:120]!r}"
            self.steps.append(f"{now:%H:%M:%S} sent {work.payload.kind} {self._name(work)}: {said}")

    def conclude(self, *, twice: bool = False, dying: bool = False) -> None:
        """Conclude what has come back by now, in any order; `dying`: killed before the commit."""
        now = database_now()
        ready = [outcome for ready_at, outcome in self.coming if ready_at <= now]
        self.coming = [one for one in self.coming if one[0] > now]
        self.random.shuffle(ready)
        if not ready:
            return
        self.steps.append(
            f"{now:%H:%M:%S} conclude {[self._name(one.work) for one in ready]}{' twice' * twice}{' dying' * dying}"
        )
        with as_role("worker"):
            if dying:
                with suppress(ProcessDied), transaction.atomic():
                    drain.outcomes_conclude(ready)
                    raise ProcessDied
            else:
                for _ in range(1 + twice):
                    assert drain.outcomes_conclude(ready) == []

    def kill(self) -> None:
        """The process dies with everything that it had armed or heard."""
        self.steps.append(f"killed with {len(self.armed)} armed and {len(self.coming)} on the way")
        self.armed, self.coming = [], []

    def time_passes(self, seconds: float) -> None:
        settings.CLOCK_OFFSET_SECONDS += seconds
        self.insurer.time_passes(database_now())

    def _name(self, work: Work) -> str:
        return f"{work.payload.wish.his_no} {work.payload.facts.message_id[-6:]}"

    # Its end ------------------------------------------------------------------------------------------------------

    def comes_to_rest(self, *, turns: int = 400) -> None:
        """Everybody answers from now on; the clock runs from job to job until none is left."""
        self.insurer.calm = True
        for _ in range(turns):
            self.take()
            self.send()
            self.time_passes(0)
            self.conclude()
            if self.armed or (self.coming and min(ready_at for ready_at, _ in self.coming) <= database_now()):
                continue
            due_at = self._next_due()
            if due_at is None and not self.insurer.late:
                return
            moments = [moment for moment in (due_at, *(one.worked_at for one in self.insurer.late)) if moment]
            moments += [ready_at for ready_at, _ in self.coming]
            self.time_passes(max(0.0, (min(moments) - database_now()).total_seconds()) + 0.001)
        raise AssertionError(f"no rest after {turns} turns")

    def _next_due(self) -> datetime | None:
        found = rows(
            "SELECT min(run_at) FROM journal_job WHERE organisation_id = %s AND parked_at IS NULL",
            [self.house.hospital.pk],
        )
        moment: datetime | None = found[0][0]
        return moment


def profiles() -> Sequence[str]:
    return list(PROFILES)


Step = Callable[[Day], None]
