"""An insurer that is connected and has a claim before it: what confirmation needs, made through the services."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from accounts.models import User
from claims.models import Claim
from claims.services.decisions import DecisionDraft
from claims.services.documents import document_add
from claims.services.drafts import ClaimDraft, LineDraft, claim_draft, claim_submit
from claims.services.review import prereview_begin, prereview_pass
from claims.states import DecisionWord
from core.clock import database_now
from core.row_security import seen_by
from exchange.selectors.interfaces import interfaces_forget
from exchange.services.interfaces import interface_define, interface_key_add
from insurers.models import Authority, InboundMessage, Onboarding
from insurers.services.authority import authority_grant
from insurers.services.inbound import Received, callback_key_add, message_receive
from insurers.services.onboarding import CHECKERS, condition_check, condition_hand_in, onboarding_apply, sandbox_open
from insurers.states import ConditionKind, Module
from journal import drain
from journal.handlers import Outcome, Work, handlers
from journal.models import Lane
from journal.selectors import platform_lane
from journal.services import lane_define, worker_group_define
from registry.models import Person, Policy, Product
from registry.states import DocumentKind
from tests.insurers.cast import TRACE, Cast
from tests.registry.house import DRUG, OTHER_DRUG, drug_of, person_of, policy_of, product_of, terms_of
from tests.roles import as_role

ROOT = Path(__file__).resolve().parents[2]
SECRET = bytes(range(32))
NOBODY = "http://127.0.0.1:9"
PRICE_MINOR, PAYABLE_MINOR = 500_000, 300_000
_loop = asyncio.new_event_loop()


@dataclass
class Desk:
    """A product of the cast's insurer, a person on a policy of it, and (where connected) the insurer's lane."""

    cast: Cast
    product: Product
    person: Person
    policy: Policy
    lane: Lane | None = None
    claims: list[Claim] = field(default_factory=list)
    papers: dict[DocumentKind, bytes] = field(default_factory=dict)

    def claim(self, *, person: Person | None = None, policy: Policy | None = None) -> Claim:
        """Another claim over 5,000.00 of which 3,000.00 is payable, in the insurer's hands."""
        if self.claims and person is None:
            person = person_of()
            policy = policy_of(self.product, person)
        now = database_now()
        filed = claim_draft(
            draft=ClaimDraft(
                person_id=(person or self.person).pk,
                policy_id=(policy or self.policy).pk,
                drug_code=DRUG,
                lines=(LineDraft(quantity=1, unit_price_minor=PRICE_MINOR),),
                icd10="C50.9",
                diagnosed_on=date(2026, 6, 1),
                days_of_supply=21,
            ),
            by="patient:test",
            now=now,
            trace_id=TRACE,
        )
        for kind, content in self.papers.items():
            document_add(
                claim_id=filed.pk,
                kind=kind,
                content=content,
                file_name="photo.jpg",
                issued_on=date(2026, 11, 20),
                by="patient:test",
                now=now,
            )
        claim_submit(claim_id=filed.pk, by="patient:test", now=now, trace_id=TRACE)
        claim = prereview_begin(claim_id=filed.pk, by="rules", now=now, trace_id=TRACE)
        decision = DecisionDraft(word=DecisionWord.PASS, amount_minor=claim.payable_minor, risk="LOW", by="reviewer")
        prereview_pass(claim_id=claim.pk, version=claim.version, decision=decision, now=now, trace_id=TRACE)
        claim = Claim.objects.get(pk=claim.pk)
        assert (claim.state, claim.recommended_minor) == ("IN_CONFIRMATION", PAYABLE_MINOR)
        self.claims.append(claim)
        return claim


def make_desk(cast: Cast, *, policy_no: str = "P-000001", **terms_changes: Any) -> Desk:
    """The insurer's desk with the platform's lane; terms ask for no papers unless told so."""
    for code in (DRUG, OTHER_DRUG):
        drug_of(code)
    product = product_of(cast.insurer)
    terms_of(product, **({"materials": []} | terms_changes))
    person = person_of()
    return Desk(cast, product, person, policy_of(product, person, policy_no=policy_no))


def authorise(cast: Cast, clerk: User, *, alone_minor: int, second_minor: int = 0, **scope: str) -> Authority:
    return authority_grant(
        username=clerk.username,
        product_code=scope.get("product"),
        drug_code=scope.get("drug"),
        alone_minor=alone_minor,
        second_minor=second_minor,
        currency="CNY",
        user=cast.guard,
        now=database_now(),
        trace_id=TRACE,
    )


def onboard(cast: Cast, *modules: Module) -> Onboarding:
    """The insurer in the sandbox, by the way that it takes."""
    now = database_now()
    onboarding = onboarding_apply(modules=modules, user=cast.admin, now=now, trace_id=TRACE)
    people = {user.roles[0]: user for user in (cast.operator, cast.auditor, cast.security, cast.system)}
    common: dict[str, Any] = {"onboarding_id": onboarding.pk, "now": now, "trace_id": TRACE}
    for kind in ConditionKind:
        condition_hand_in(kind=kind, reference="N-1", valid_until=date(2027, 12, 31), user=cast.admin, **common)
        condition_check(kind=kind, met=True, why="", user=people[CHECKERS[kind]], **common)
    return sandbox_open(user=cast.operator, **common)


def connect(desk: Desk, base_url: str) -> None:
    """The insurer's own system answers at this address, with one secret in both directions."""
    code = desk.cast.insurer.code
    desk.lane = lane_define(code=code.lower(), group=worker_group_define(code="main"))
    interface = interface_define(code=code, insurer_id=desk.cast.insurer.pk, lane=desk.lane, base_url=base_url)
    interface_key_add(interface=interface, key_id="k1", secret=SECRET, now=database_now())
    callback_key_add(organisation_id=desk.cast.insurer.pk, key_id="k1", secret=SECRET, now=database_now())
    interfaces_forget()


def take(desk: Desk) -> drain.Turn:
    """Claim and arm what is due on all lanes, as the workers' database threads do."""
    lanes = {platform_lane(): 50} | ({desk.lane.pk: 50} if desk.lane else {})
    with as_role("worker"):
        return drain.jobs_take(free_slots=lanes, overdue=timedelta(0))


def perform(works: Sequence[Work]) -> list[Outcome]:
    """Really send, and close the connections: they belong to this loop."""

    async def all_of_them() -> list[Outcome]:
        try:
            return list(await asyncio.gather(*(_perform(work) for work in works)))
        finally:
            for handler in handlers().values():
                if hasattr(handler, "close"):
                    await handler.close()

    return _loop.run_until_complete(all_of_them())


async def _perform(work: Work) -> Outcome:
    return Outcome(work, result=await handlers()[work.job.kind].perform(work))  # type: ignore[union-attr]


def conclude(outcomes: Sequence[Outcome]) -> None:
    with as_role("worker"):
        drain.outcomes_conclude(outcomes)


def work_off(desk: Desk) -> None:
    """Arm, send and conclude until nothing is due now."""
    for _ in range(10):
        turn = take(desk)
        conclude(perform(turn.works))
        if not turn.claimed:
            return


def fresh(claim: Claim) -> Claim:
    return Claim.objects.get(pk=claim.pk)


def outcomes() -> list[tuple[str, str]]:
    """What became of the messages that came in, in their order."""
    return list(InboundMessage.objects.order_by("received_at", "pk").values_list("outcome", "outcome_code"))


def as_people(cast: Cast) -> Any:
    """What the insurer's people see in their requests."""
    return seen_by([cast.insurer.pk])


def later(seconds: float) -> datetime:
    return database_now() + timedelta(seconds=seconds)


@dataclass
class LiveSandbox:
    """The sandbox insurer as a process, steered through its control."""

    folder: Path
    code: str = "SANDBOX-A"
    port: int = 0
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *more: str) -> LiveSandbox:
        secret_file = self.folder / "secret.json"
        secret_file.write_text(json.dumps({"key_id": "k1", "secret": base64.b64encode(SECRET).decode()}))
        command = [sys.executable, "-m", "insurers.sandbox", "--code", self.code, "--port", str(self.port), *more]
        command += ["--book", str(self.folder / "book.sqlite3"), "--secret-file", str(secret_file)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.port = json.loads(self.process.stdout.readline())["port"]
        return self

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def control(self, name: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.base_url}/_control/{name}", data)
        with urllib.request.urlopen(request, timeout=15) as answer:
            result: dict[str, Any] = json.load(answer)
        return result

    def claims(self) -> list[dict[str, Any]]:
        found = self.control("claims")["claims"]
        assert isinstance(found, list)
        return found


def signed(
    message_id: str, claim_no: str, body: Any, *, code: str = "SANDBOX-A", path: str = "/api/spi/v1/decisions"
) -> tuple[dict[str, str], bytes]:
    """A decision as an insurer signs it, written from the contract and not with our own envelope."""
    raw = json.dumps(body, ensure_ascii=False).encode()
    facts = {
        "X-MS-Sender": code,
        "X-MS-Recipient": "MEDISETTLE",
        "X-MS-Message-Id": message_id,
        "X-MS-Correlation-Id": claim_no,
        "X-MS-Timestamp": str(int(database_now().timestamp())),
        "X-MS-Schema": "1",
        "X-MS-Key-Id": "k1",
    }
    text = "\n".join(["request", *facts.values(), path]).encode() + b"\n" + raw
    signature = base64.b64encode(hmac.digest(SECRET, text, "sha256")).decode()
    return facts | {"X-MS-Signature": signature}, raw


def take_in(headers: dict[str, str], body: bytes) -> Received:
    """What the door does with a message, as role app."""
    with as_role("app"):
        return message_receive(
            path="/api/spi/v1/decisions", headers=headers, body=body, now=database_now(), trace_id=TRACE
        )


def receive(sandbox: LiveSandbox, claim: Claim, number: int) -> Received:
    """Let the sandbox decide a round of the claim, and take its decision in."""
    told = sandbox.control("decide", {"push_id": f"{claim.claim_no}/{number}"})
    return take_in(*signed(f"{told['decision_no']}-X", claim.claim_no, told))


def make_other(desk: Desk) -> str:
    """The stranger, onboarded with the module and a key of the same secret; returns its code."""
    stranger = desk.cast.stranger
    now = database_now()
    callback_key_add(organisation_id=stranger.pk, key_id="k1", secret=SECRET, now=now)
    onboarding_apply(modules=[Module.CLAIM], user=desk.cast.stranger_guard, now=now, trace_id=TRACE)
    return stranger.code
