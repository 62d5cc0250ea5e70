"""The module `claim` over real sockets: a claim pushed to the sandbox insurer's process, and its decisions coming back.

The platform's door is a server process of role app; the work behind it is done here, as role worker.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from claims.services.ends import claim_withdraw
from claims.services.materials import materials_answered
from core.clock import database_now
from core.crypto import ring
from deploy.local.ports import reserve_any
from exchange.selectors.interfaces import interfaces_forget
from insurers.models import ClaimPush, InboundMessage, PushMessage
from insurers.services.inbound import callback_key_retire
from insurers.services.onboarding import module_set, onboarding_suspend
from insurers.states import Module
from journal.models import Job
from tests.insurers.cast import TRACE, Cast, make_cast
from tests.insurers.house import (
    PAYABLE_MINOR,
    ROOT,
    Desk,
    LiveSandbox,
    connect,
    fresh,
    make_desk,
    make_other,
    onboard,
    outcomes,
    receive,
    signed,
    take_in,
    work_off,
)
from tests.roles import rows, truncation_allowed

PATH = "/api/spi/v1/decisions"
CLAUSES = {"clause": "Article 6.", "clause_zh": "第六条。"}


def until[Found](look: Callable[[], Found], *, what: str = "it", seconds: float = 40) -> Found:
    give_up_at = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < give_up_at, f"{what} did not come"
        time.sleep(0.05)
    return found


def worked_until(desk: Desk, look: Callable[[], bool]) -> None:
    """Work as the workers do, again and again, until `look` finds it."""

    def once() -> bool:
        work_off(desk)
        return look()

    until(once, what="the work")


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[LiveSandbox]:
    running = LiveSandbox(tmp_path).start()
    running.control("deciding", {"seconds": None})
    yield running
    running.stop()


@pytest.fixture
def committed(transactional_db: None, settings: Settings) -> Iterator[Cast]:
    """The cast, committed, on a machine that may be slow."""
    settings.SEND_WITHIN_SECONDS = settings.CONNECT_SECONDS = 20.0
    settings.DEADLINE_SECONDS = dict.fromkeys(settings.DEADLINE_SECONDS, 20.0)
    truncation_allowed()
    ring.forget()
    interfaces_forget()
    yield make_cast(now=database_now())
    ring.forget()
    interfaces_forget()
    connection.close()


@pytest.fixture
def desk(committed: Cast, sandbox: LiveSandbox) -> Desk:
    """An insurer in the sandbox whose system takes claims."""
    desk = make_desk(committed)
    onboard(committed, Module.CLAIM)
    connect(desk, sandbox.base_url)
    return desk


@pytest.fixture
def door(desk: Desk, sandbox: LiveSandbox, process_environment: dict[str, str]) -> Iterator[str]:
    """The address of a platform process, which the sandbox is told."""
    port = reserve_any()
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**process_environment, "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}"}
    server = subprocess.Popen([*command, "config.asgi:application"], cwd=ROOT, env=environment, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(f"{url}/healthz"), what="the server", seconds=90)
        sandbox.control("deciding", {"url": url + PATH})
        yield url
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(15)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def decision(claim: Any, **changes: Any) -> dict[str, Any]:
    """What an insurer's system tells: the whole amount confirmed."""
    return {
        "decision_no": f"D-{claim.claim_no}",
        "claim_no": claim.claim_no,
        "decision": "approve",
        "amount_minor": PAYABLE_MINOR,
        "currency": "CNY",
    } | changes


def tell(sandbox: LiveSandbox, body: Any, message_id: str = "M-1", how: str = "plain") -> tuple[int, str]:
    """Send one message; the HTTP status and the code in the answer."""
    answer = sandbox.control("tell", {"message_id": message_id, "body": body, "as": how})
    return answer["status"], answer["code"]


def push_states() -> list[str]:
    return list(ClaimPush.objects.order_by("created_at").values_list("state", flat=True))


# Pushing ------------------------------------------------------------------------------------------------------------


def test_a_claim_is_pushed_and_taken_once(desk: Desk, sandbox: LiveSandbox) -> None:
    claim = desk.claim()
    work_off(desk)
    push = ClaimPush.objects.get(claim=claim)
    assert (push.state, push.push_no, push.tries) == ("TAKEN", f"{claim.claim_no}/1", 1)
    assert push.case_no.startswith("SANDBOX-A-K")
    (taken,) = sandbox.claims()
    assert taken["content"]["recommended_minor"] == PAYABLE_MINOR
    assert taken["content"]["person"]["name"] == "李雷"
    assert PushMessage.objects.get(push=push).outcome == "TAKEN"
    assert not Job.objects.filter(kind="insurers.claim_push").exists()


def test_no_answer_means_unknown_and_is_asked_again_under_the_same_number(
    desk: Desk, sandbox: LiveSandbox, settings: Settings
) -> None:
    settings.DEADLINE_SECONDS = {**settings.DEADLINE_SECONDS, "claim": 3.0}
    settings.LADDERS = {**settings.LADDERS, "claim": (0.0, 0.0, 0.0, 0.0)}
    sandbox.control("faults", {"next": ["commit_then_silence", "corrupt_json", "wrong_signature"], "on": "claim"})
    claim = desk.claim()
    worked_until(desk, lambda: push_states() == ["TAKEN"])
    push = ClaimPush.objects.get(claim=claim)
    said = list(push.messages.order_by("armed_at").values_list("outcome", flat=True))
    assert said == ["UNKNOWN", "UNKNOWN", "UNKNOWN", "TAKEN"]
    assert len(set(push.messages.values_list("msgid", flat=True))) == 4
    (taken,) = sandbox.claims()
    assert taken["received"] == 4


def test_a_push_that_nobody_answers_to_the_end_is_a_persons(desk: Desk, settings: Settings) -> None:
    connect(desk, "http://127.0.0.1:9")
    settings.LADDERS = {**settings.LADDERS, "claim": (0.0,)}
    claim = desk.claim()
    worked_until(desk, lambda: Job.objects.filter(parked_at__isnull=False).exists())
    job = Job.objects.get(kind="insurers.claim_push")
    assert "to the end of its ladder" in job.parked_reason
    assert fresh(claim).state == "IN_CONFIRMATION"
    assert set(PushMessage.objects.values_list("outcome", flat=True)) == {"NOT_SENT"}


def test_a_refused_push_leaves_the_claim_to_the_people(committed: Cast, sandbox: LiveSandbox) -> None:
    desk = make_desk(committed, policy_no="P-9105")
    onboard(committed, Module.CLAIM)
    connect(desk, sandbox.base_url)
    claim = desk.claim()
    work_off(desk)
    push = ClaimPush.objects.get(claim=claim)
    assert (push.state, push.refusal_code, fresh(claim).state) == ("REFUSED", "unknown_policy", "IN_CONFIRMATION")


def test_an_insurer_without_the_module_works_in_the_portal_only(desk: Desk, sandbox: LiveSandbox) -> None:
    onboarding_id = rows("SELECT id FROM insurers_onboarding")[0][0]
    common: dict[str, Any] = {"onboarding_id": onboarding_id, "now": database_now(), "trace_id": TRACE}
    module_set(module=Module.CLAIM, is_open=False, user=desk.cast.admin, **common)
    desk.claim()
    work_off(desk)
    assert (push_states(), sandbox.claims()) == ([], [])
    module_set(module=Module.CLAIM, is_open=True, user=desk.cast.admin, **common)
    onboarding_suspend(reason="stopped", user=desk.cast.operator, **common)
    desk.claim()
    work_off(desk)
    assert (push_states(), sandbox.claims()) == ([], [])


def test_a_claim_that_was_withdrawn_before_its_turn_is_not_pushed(desk: Desk, sandbox: LiveSandbox) -> None:
    claim = desk.claim()
    claim_withdraw(claim_id=claim.pk, by="patient:test", now=database_now(), trace_id=TRACE)
    work_off(desk)
    assert (push_states(), sandbox.claims()) == ([], [])


def test_a_paused_lane_pushes_nothing_and_goes_on_afterwards(desk: Desk, sandbox: LiveSandbox) -> None:
    desk.claim()
    rows("UPDATE journal_lane SET paused_at = now(), paused_reason = 'x' WHERE code = 'sandbox-a'")
    interfaces_forget()
    work_off(desk)
    assert sandbox.claims() == []
    rows("UPDATE journal_lane SET paused_at = NULL, paused_reason = '' WHERE code = 'sandbox-a'")
    rows("UPDATE journal_job SET run_at = now()")
    interfaces_forget()
    work_off(desk)
    assert push_states() == ["TAKEN"]


# Decisions ----------------------------------------------------------------------------------------------------------


def test_the_whole_way_a_claim_goes_out_and_its_decision_comes_back(
    desk: Desk, door: str, sandbox: LiveSandbox
) -> None:
    claim = desk.claim()
    work_off(desk)
    sandbox.control("decide", {"push_id": f"{claim.claim_no}/1"})
    until(lambda: InboundMessage.objects.exists(), what="the decision")
    assert fresh(claim).state == "IN_CONFIRMATION", "the door only stores"
    work_off(desk)
    decided = fresh(claim)
    assert (decided.state, decided.confirmed_minor) == ("CONFIRMED", PAYABLE_MINOR)
    row = decided.decisions.get(stage="CONFIRMATION")
    assert row.by == "insurer:SANDBOX-A"
    assert str(row.external_no).startswith("SANDBOX-A-D")
    assert len(row.digest) == 64
    assert outcomes() == [("applied", "")]


def test_what_the_door_answers_and_what_becomes_of_each_message(desk: Desk, door: str, sandbox: LiveSandbox) -> None:
    claim = desk.claim()
    good = decision(claim)
    refused = {
        how: tell(sandbox, good, f"M-{how}", how) for how in ("bad_signature", "unknown_key", "stale", "other_sender")
    }
    assert refused == dict.fromkeys(refused, (401, "not_proven"))
    assert set(InboundMessage.objects.values_list("outcome_code", flat=True)) == {
        "bad_signature",
        "unknown_key",
        "stale_timestamp",
    }
    assert not Job.objects.filter(kind="insurers.decision_work").exists()
    # A message that was not proven has not used up its id.
    assert tell(sandbox, good, "M-bad_signature") == (202, "waiting")
    assert tell(sandbox, good, how="replay") == (200, "waiting"), "byte for byte the same again"
    assert tell(sandbox, good | {"amount_minor": 1}, "M-bad_signature") == (409, "message_id_used")
    work_off(desk)
    assert fresh(claim).state == "CONFIRMED"
    assert tell(sandbox, good, "M-bad_signature") == (200, "applied"), "now it says what became of it"
    assert tell(sandbox, good, "M-2") == (202, "waiting"), "the same decision in another message"
    assert tell(sandbox, good | {"amount_minor": PAYABLE_MINOR - 1}, "M-3") == (202, "waiting")
    other = good | {"decision_no": "D-new", "decision": "decline", "amount_minor": 0}
    assert tell(sandbox, other | CLAUSES, "M-4") == (202, "waiting")
    assert tell(sandbox, decision(claim, claim_no="C-NOBODY", decision_no="D-5"), "M-5") == (202, "waiting")
    assert tell(sandbox, "{not json", "M-6") == (202, "waiting")
    assert tell(sandbox, decision(claim, amount_minor="12", decision_no="D-7"), "M-7") == (202, "waiting")
    work_off(desk)
    worked = dict(
        InboundMessage.objects.filter(verified=True).values_list("message_id", "outcome").order_by("received_at")
    )
    assert worked == {
        "M-bad_signature": "applied",
        "M-2": "already_decided",
        "M-3": "number_used",
        "M-4": "not_possible",
        "M-5": "unknown_claim",
        "M-6": "not_readable",
        "M-7": "not_readable",
    }
    assert dict(InboundMessage.objects.values_list("message_id", "outcome_code"))["M-4"] == "claim_decided"
    assert fresh(claim).decisions.filter(stage="CONFIRMATION").count() == 1
    assert tell(sandbox, "x" * 300_000, "M-8") == (413, "message_too_large")


def test_a_retired_key_proves_nothing_any_more(desk: Desk, door: str, sandbox: LiveSandbox) -> None:
    good = decision(desk.claim())
    callback_key_retire(organisation_id=desk.cast.insurer.pk, key_id="k1", now=database_now())
    assert tell(sandbox, good, "M-retired") == (401, "not_proven")
    assert not Job.objects.filter(kind="insurers.decision_work").exists()


def test_a_decision_for_a_withdrawn_claim_decides_nothing(desk: Desk, door: str, sandbox: LiveSandbox) -> None:
    claim = desk.claim()
    work_off(desk)
    claim_withdraw(claim_id=claim.pk, by="patient:test", now=database_now(), trace_id=TRACE)
    assert tell(sandbox, decision(claim)) == (202, "waiting")
    work_off(desk)
    assert outcomes() == [("claim_withdrawn", "")]
    assert fresh(claim).state == "WITHDRAWN"
    assert not fresh(claim).decisions.filter(stage="CONFIRMATION").exists()


@pytest.mark.parametrize(
    ("ending", "states"), [("9106", ["applied", "already_decided"]), ("9107", ["applied", "number_used"])]
)
def test_a_decision_told_twice_counts_once(
    committed: Cast, sandbox: LiveSandbox, ending: str, states: list[str]
) -> None:
    desk = make_desk(committed, policy_no=f"P-{ending}")
    onboard(committed, Module.CLAIM)
    connect(desk, sandbox.base_url)
    claim = desk.claim()
    work_off(desk)
    # The same messages, signed anew and taken in by the door's own function in this process.
    sandbox.control("decide", {"push_id": f"{claim.claim_no}/1"})
    for one in sandbox.claims()[0]["decisions"]:
        assert take_in(*signed(one["message_id"], claim.claim_no, one["told"])).problem is None
    work_off(desk)
    assert sorted(outcome for outcome, _ in outcomes()) == sorted(states)
    assert fresh(claim).confirmed_minor == PAYABLE_MINOR


def test_materials_are_asked_for_by_the_system_and_the_claim_comes_back_as_a_new_round(
    committed: Cast, sandbox: LiveSandbox
) -> None:
    desk = make_desk(committed, policy_no="P-9103")
    onboard(committed, Module.CLAIM)
    connect(desk, sandbox.base_url)
    claim = desk.claim()
    work_off(desk)
    receive(sandbox, claim, 1)
    work_off(desk)
    assert fresh(claim).state == "MATERIALS_REQUESTED"
    materials_answered(
        claim_id=claim.pk,
        by="patient:test",
        on_behalf=False,
        now=database_now(),
        trace_id=TRACE,
        missing_because="There is none",
    )
    work_off(desk)
    assert [one["push_id"] for one in sandbox.claims()] == [f"{claim.claim_no}/1", f"{claim.claim_no}/2"]
    late = decision(claim, push_id=f"{claim.claim_no}/1", decision_no="D-late")
    headers, body = signed("M-late", claim.claim_no, late)
    take_in(headers, body)
    receive(sandbox, claim, 2)
    work_off(desk)
    assert ("not_possible", "push_overtaken") in outcomes()
    assert fresh(claim).state == "CONFIRMED"


def test_another_insurers_claim_is_unknown_to_the_sender(desk: Desk) -> None:
    claim = desk.claim()
    other = make_other(desk)
    headers, body = signed("M-1", claim.claim_no, decision(claim), code=other)
    take_in(headers, body)
    work_off(desk)
    assert outcomes() == [("unknown_claim", "")]
    assert fresh(claim).state == "IN_CONFIRMATION"
