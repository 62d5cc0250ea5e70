"""A small world in which fees were really settled: two hospitals, one insurer as a process of its own, the real engine.

Use the fixture `settled_world`; everything in it was written by the services that production uses, and committed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from threading import current_thread
from typing import Any

import pytest
from django.db import connection
from django.db.backends.signals import connection_created
from pytest_django import Settings

from accounts.models import Organisation, User
from accounts.services import organisation_create, user_create
from accounts.states import OrganisationKind, Role
from core.clock import database_now
from core.crypto import ring
from core.ids import new_trace_id
from exchange.models.interface import InsurerInterface
from exchange.selectors.transactions import answers_of
from exchange.services.interfaces import capabilities_grant, interface_define, interface_key_add, route_add
from exchange.services.receive import WishDraft, transactions_receive
from exchange.states import GrantSource, TransactionState
from journal.engine import Engine
from journal.services import lane_define, worker_group_define
from tests.roles import rows, truncation_allowed

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "correct-horse-47-staple"
ACTOR = "platform"
SCHEME, REGION = "310", "110000"
WAIT_SECONDS = 60.0
PATIENT_SECONDS = 30.0
ID_NO, NAME, PHONE, CREDENTIAL = "110101199001011237", "张三丰", "13800138000", "ECODE-9f3a77c1"


@dataclass
class Sandbox:
    """A running sandbox insurer, steered through its control port."""

    code: str
    secret: bytes
    folder: Path
    process: subprocess.Popen[bytes] = field(init=False)
    port: int = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *more: str) -> Sandbox:
        """Also after `stop`: then on the same port and book."""
        secret_file = self.folder / f"{self.code}.json"
        secret_file.write_text(json.dumps({"key_id": "k1", "secret": base64.b64encode(self.secret).decode()}))
        command = [sys.executable, "-m", "insurers.sandbox", "--code", self.code, "--port", str(self.port), *more]
        command += ["--book", str(self.folder / f"{self.code}.sqlite3"), "--secret-file", str(secret_file)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.port = json.loads(self.process.stdout.readline())["port"]
        return self

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(WAIT_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def control(self, name: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        """Steer the insurer; without a content only read."""
        data = None if content is None else json.dumps(content).encode()
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.base_url}/_control/{name}", data), timeout=10
        ) as answer:
            result: dict[str, Any] = json.load(answer)
        return result

    def fault(self, *names: str) -> None:
        """The next money calls meet these faults, one each."""
        self.control("faults", {"next": list(names)})


@dataclass
class World:
    """`hospital` has settled, refused, unsent and doubtful transactions; `stranger` has a settled one of its own."""

    hospital: Organisation
    stranger: Organisation
    insurer: Organisation
    interface: InsurerInterface
    sandbox: Sandbox
    engine: Engine
    cashier: User
    back_office: User
    stranger_cashier: User
    insurer_clerk: User
    transactions: dict[str, Any] = field(default_factory=dict)
    bills: int = 0

    def draft(self, his_no: str, *, hospital: Organisation | None = None, **changes: Any) -> WishDraft:
        """A wish as the listener would hand it on. Changes: operation, total_minor, id_no, name, bill_no, visit_no."""
        self.bills += 1
        hospital = hospital or self.hospital
        total_minor = changes.get("total_minor", 10000)
        visit_no = changes.get("visit_no", f"V-{self.bills:04d}")
        bill_no = changes.get("bill_no", f"B-{self.bills:04d}")
        operation = changes.get("operation", "settle")
        item = {"line_no": 1, "code": "XM0001", "name": "检查费", "quantity": "1", "amount_minor": total_minor}
        body = {
            "his_no": his_no,
            "operation": operation,
            "operator": {"no": "C12", "name": "李四光", "terminal_no": "W03"},
            "person": {
                "id_type": "01",
                "id_no": changes.get("id_no", ID_NO),
                "name": changes.get("name", NAME),
                "credential": CREDENTIAL,
                "contact": {"phone": PHONE},
            },
            "visit": {
                "visit_no": visit_no,
                "kind": "outpatient",
                "diagnoses": [{"code": "C34.9", "name": "肺恶性肿瘤"}],
            },
            "bill": {"bill_no": bill_no, "batch_no": None},
            "insurance": {"scheme": SCHEME, "region": REGION},
            "items": [item],
            "total_minor": total_minor,
            "currency": "CNY",
        }
        return WishDraft(
            organisation_id=hospital.pk,
            by="key:till",
            idempotency_key=his_no,
            his_no=his_no,
            operation=operation,
            scheme=SCHEME,
            region=REGION,
            visit_no=visit_no,
            bill_no=bill_no,
            batch_no="",
            inpatient=False,
            total_minor=total_minor,
            currency="CNY",
            body=body,
            digest=hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest(),
            trace_id=new_trace_id(),
        )

    def settle(self, *drafts: WishDraft) -> list[str]:
        """Receive wishes and wait until each has left RECEIVED and SENDING; returns their states in order."""
        received = transactions_receive(drafts=drafts, now=database_now())
        problems = [str(one.problem) for one in received if one.problem is not None]
        assert not problems, problems
        self.engine.wake()
        for draft, one in zip(drafts, received, strict=True):
            self.transactions[draft.his_no] = one.transaction_id
        return [self._ended(draft.his_no) for draft in drafts]

    def _ended(self, his_no: str) -> str:
        give_up_at = time.monotonic() + WAIT_SECONDS
        while True:
            state = str(rows("SELECT state FROM exchange_transaction WHERE id = %s", [self.transactions[his_no]])[0][0])
            if state not in (TransactionState.RECEIVED, TransactionState.SENDING):
                return state
            assert time.monotonic() < give_up_at, f"{his_no} is still {state}"
            time.sleep(0.02)

    def answer(self, his_no: str) -> dict[str, Any]:
        """What the hospital was told last."""
        transaction_id = self.transactions[his_no]
        return answers_of([transaction_id])[transaction_id]


def organisation(code: str, kind: OrganisationKind, name: str, name_zh: str, *, now: datetime) -> Organisation:
    return organisation_create(code=code, kind=kind, name=name, name_zh=name_zh, actor=ACTOR, now=now)


def person(username: str, name: str, home: Organisation, roles: Sequence[Role], *, now: datetime) -> User:
    return user_create(
        username=username,
        display_name=name,
        organisation_id=home.pk,
        roles=roles,
        password=PASSWORD,
        actor=ACTOR,
        now=now,
    )


def connect_insurer(insurer: Organisation, sandbox: Sandbox, *, now: datetime) -> InsurerInterface:
    """Lane, interface, key, capabilities and route of a running sandbox."""
    lane = lane_define(code=sandbox.code, group=worker_group_define(code="lanes"))
    interface = interface_define(code=sandbox.code, insurer_id=insurer.pk, lane=lane, base_url=sandbox.base_url)
    interface_key_add(interface=interface, key_id="k1", secret=sandbox.secret, now=now)
    promised = {"can_query_by_msgid": True, "accept_window_seconds": 2, "max_processing_seconds": 1}
    capabilities_grant(interface=interface, values=promised, source=GrantSource.DEMO, by=ACTOR, now=now)
    route_add(scheme=SCHEME, region="*", interface=interface, valid_from=date(2026, 1, 1))
    return interface


@contextmanager
def working_engine() -> Iterator[Engine]:
    """The journal's engine in this process, its database thread as role worker."""

    def take_role(connection: Any, **_: Any) -> None:
        if current_thread().name == "database":
            with connection.cursor() as cursor:
                cursor.execute("SET ROLE medisettle_worker")

    connection_created.connect(take_role, weak=False, dispatch_uid="tests.world")
    engine = Engine(group_code="lanes", poll_seconds=0.2)
    try:
        yield engine.start()
    finally:
        assert engine.stop(timeout_seconds=WAIT_SECONDS)
        connection_created.disconnect(dispatch_uid="tests.world")


def make_world(sandbox: Sandbox, engine: Engine) -> World:
    now = database_now()
    hospital = organisation("HOSP-A", OrganisationKind.HOSPITAL, "Riverside Hospital", "滨江医院", now=now)
    stranger = organisation("HOSP-B", OrganisationKind.HOSPITAL, "Hillside Hospital", "山麓医院", now=now)
    insurer = organisation(sandbox.code, OrganisationKind.INSURER, "Sandbox Insurer", "沙箱保险", now=now)
    return World(
        hospital=hospital,
        stranger=stranger,
        insurer=insurer,
        interface=connect_insurer(insurer, sandbox, now=now),
        sandbox=sandbox,
        engine=engine,
        cashier=person("chen", "陈晓", hospital, [Role.HOSPITAL_CASHIER], now=now),
        back_office=person("bai", "白露", hospital, [Role.HOSPITAL_BACK_OFFICE], now=now),
        stranger_cashier=person("zhou", "周舟", stranger, [Role.HOSPITAL_CASHIER], now=now),
        insurer_clerk=person("ji", "季风", insurer, [Role.INSURER_CLERK], now=now),
    )


def settle_the_usual(world: World) -> None:
    """One of each: settled, split over many payers, refused, a question, another hospital's, unsent, in doubt."""
    states = world.settle(
        world.draft("A-SETTLED"),
        world.draft("A-SHARED", total_minor=123456, id_no="110101199001019004", name="欧阳娜"),
        world.draft("A-REFUSED", id_no="110101199001019001"),
        world.draft("A-TRIAL", operation="presettle"),
        world.draft("B-SETTLED", hospital=world.stranger, id_no="310101198502023456", name="赵一曼"),
    )
    assert states == ["SUCCEEDED", "SUCCEEDED", "REJECTED", "SUCCEEDED", "SUCCEEDED"]
    world.sandbox.fault("corrupt_json")
    assert world.settle(world.draft("A-DOUBT", total_minor=5000)) == ["IN_DOUBT"]
    # It stays in doubt for as long as a test looks at it, however busy the machine is.
    rows("UPDATE journal_job SET run_at = run_at + interval '1 hour' WHERE kind = 'exchange.resolve'")
    world.sandbox.stop()
    assert world.settle(world.draft("A-UNSENT", total_minor=7000)) == ["NOT_SENT"]
    world.sandbox.start()


def forget_processes() -> None:
    """Caches of this process outlive a test; the rows they speak of do not."""
    from exchange.selectors import interfaces, routing

    ring.forget()
    interfaces.interfaces_forget()
    routing.routes_forget()


@pytest.fixture
def settled_world(transactional_db: None, tmp_path: Path, settings: Settings) -> Iterator[World]:
    """Two hospitals, an insurer, and transactions that the real engine has worked."""
    # The demo's limits of a few seconds make doubts of their own on a busy machine.
    settings.DEADLINE_SECONDS = dict.fromkeys(settings.DEADLINE_SECONDS, PATIENT_SECONDS)
    settings.SEND_WITHIN_SECONDS = settings.CONNECT_SECONDS = PATIENT_SECONDS
    truncation_allowed()
    forget_processes()
    sandbox = Sandbox("SANDBOX-A", bytes(range(32)), tmp_path).start()
    try:
        with working_engine() as engine:
            world = make_world(sandbox, engine)
            settle_the_usual(world)
            yield world
            # The engine ends its calls before it stops: one to an insurer made slow would take its half minute.
            sandbox.stop()
    finally:
        sandbox.stop()
        forget_processes()
        connection.close()
