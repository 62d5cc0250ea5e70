"""The claims desk of the sandbox insurer over real sockets, against a platform that only listens."""

from __future__ import annotations

import base64
import hmac
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from .process import HEADERS, SECRET, Sandbox

PATH = "/api/spi/v1/decisions"
_numbers = itertools.count(1)


@dataclass
class Ear:
    """An address that keeps what it is told and answers with `status`."""

    status: int = 202
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.heard]


@pytest.fixture
def ear(sandbox: Sandbox) -> Iterator[Ear]:
    listening = Ear()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            listening.heard.append((dict(self.headers.items()), body))
            self.send_response(listening.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *arguments: object) -> None:
            """Nothing is written to the terminal."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    listening.url = f"http://127.0.0.1:{server.server_port}{PATH}"
    sandbox.control("deciding", {"url": listening.url, "seconds": 0.05})
    yield listening
    sandbox.control("deciding", {"url": "", "seconds": None})
    server.shutdown()
    server.server_close()


def pushed(ending: str = "1237", **changes: Any) -> dict[str, Any]:
    """The body of a pushed claim over 4,000.00 CNY; `ending` of the document number says what is decided."""
    number = next(_numbers)
    return {
        "msgid": f"MC{number:08d}",
        "push_id": f"C-{number:06d}/1",
        "round": 1,
        "claim_no": f"C-{number:06d}",
        "policy_no": "P-0001",
        "person": {"id_type": "01", "id_no": f"11010119900101{ending}", "name": "张三"},
        "currency": "CNY",
        "recommended_minor": 400000,
    } | changes


def until[Found](look: Callable[[], Found]) -> Found:
    give_up_at = time.monotonic() + 10
    while not (found := look()):
        assert time.monotonic() < give_up_at, "it did not come"
        time.sleep(0.02)
    return found


def test_it_takes_a_claim_and_tells_its_decision_signed(sandbox: Sandbox, ear: Ear) -> None:
    claim = pushed()
    answer = sandbox.call("claim", claim)
    assert (answer.status, answer.is_signed) == (200, True)
    assert {name: answer.content[name] for name in ("msgid", "push_id", "claim_no", "code")} == {
        "msgid": claim["msgid"],
        "push_id": claim["push_id"],
        "claim_no": claim["claim_no"],
        "code": "done",
    }
    headers, body = until(lambda: ear.heard)[0]
    told = json.loads(body)
    assert (told["decision"], told["amount_minor"], told["push_id"]) == ("approve", 400000, claim["push_id"])
    facts = ["request", *(headers.get(name, "") for name in HEADERS), PATH]
    signed = base64.b64encode(hmac.digest(SECRET, "\n".join(facts).encode() + b"\n" + body, "sha256")).decode()
    assert headers["X-MS-Signature"] == signed
    assert (headers["X-MS-Sender"], headers["X-MS-Recipient"]) == ("SANDBOX-A", "MEDISETTLE")


def test_a_claim_that_comes_again_is_taken_once_and_answered_the_same(sandbox: Sandbox, ear: Ear) -> None:
    claim = pushed()
    first = sandbox.call("claim", claim)
    again = sandbox.call("claim", claim | {"msgid": "MC-again"})
    assert first.content["case_no"] == again.content["case_no"]
    (kept,) = sandbox.control("claims")["claims"]
    assert kept["received"] == 2
    until(lambda: ear.heard)
    time.sleep(0.3)
    assert len(ear.heard) == 1


def test_another_claim_under_the_same_push_id_is_refused(sandbox: Sandbox) -> None:
    claim = pushed()
    sandbox.call("claim", claim)
    other = sandbox.call("claim", claim | {"msgid": "MC-other", "recommended_minor": 1})
    assert (other.status, other.content["reason"]["code"]) == (409, "push_id_used")


@pytest.mark.parametrize(
    ("ending", "word", "amount"),
    [("9101", "decline", 0), ("9102", "approve_partly", 200000), ("9103", "need_materials", 0)],
)
def test_magic_numbers_decide(sandbox: Sandbox, ear: Ear, ending: str, word: str, amount: int) -> None:
    sandbox.call("claim", pushed(ending))
    told = until(ear.bodies)[0]
    assert (told["decision"], told["amount_minor"]) == (word, amount)
    assert bool(told["clause"]) == (word in ("decline", "approve_partly"))


def test_the_policys_number_decides_where_the_persons_says_nothing(sandbox: Sandbox, ear: Ear) -> None:
    sandbox.call("claim", pushed(policy_no="P-9101"))
    assert until(ear.bodies)[0]["decision"] == "decline"


def test_what_was_missing_is_asked_for_once(sandbox: Sandbox, ear: Ear) -> None:
    sandbox.call("claim", pushed("9103", round=2))
    assert until(ear.bodies)[0]["decision"] == "approve"


def test_an_unknown_policy_is_not_taken(sandbox: Sandbox, ear: Ear) -> None:
    answer = sandbox.call("claim", pushed("9105"))
    assert (answer.status, answer.content["reason"]["code"]) == (200, "unknown_policy")
    time.sleep(0.2)
    assert ear.heard == []


def test_a_decision_is_told_until_somebody_has_it(sandbox: Sandbox, ear: Ear) -> None:
    ear.status = 503
    sandbox.call("claim", pushed())
    until(lambda: len(ear.heard) >= 2)
    ear.status = 202

    def delivered() -> bool:
        return [one["state"] for one in sandbox.control("claims")["claims"][0]["decisions"]] == ["delivered"]

    until(delivered)
    assert len({headers["X-MS-Message-Id"] for headers, _ in ear.heard}) == 1
    assert len({body for _, body in ear.heard}) == 1


def test_a_decision_that_is_not_wanted_is_not_told_again(sandbox: Sandbox, ear: Ear) -> None:
    ear.status = 409
    sandbox.call("claim", pushed())
    until(lambda: ear.heard)
    time.sleep(0.6)
    assert len(ear.heard) == 1
    assert sandbox.control("claims")["claims"][0]["decisions"][0]["state"] == "refused"


def test_a_killed_insurer_tells_after_its_start_what_it_had_decided(start: Callable[..., Sandbox]) -> None:
    sandbox = start()
    sandbox.control("deciding", {"url": "http://127.0.0.1:9/nobody", "seconds": 0.01})
    sandbox.call("claim", pushed())
    until(lambda: sandbox.control("claims")["claims"][0]["decisions"])
    sandbox.kill()
    sandbox.more = ("--callback-url", "http://127.0.0.1:9/nobody")
    sandbox.start()
    tries = sandbox.control("claims")["claims"][0]["decisions"][0]["tries"]
    until(lambda: sandbox.control("claims")["claims"][0]["decisions"][0]["tries"] > tries)


def test_a_claim_that_breaks_the_contract_is_not_booked(sandbox: Sandbox) -> None:
    broken: list[dict[str, Any]] = [{"recommended_minor": "4"}, {"person": {}}, {"push_id": ""}, {"policy_no": 7}]
    for changes in broken:
        assert sandbox.call("claim", pushed(**changes)).status == 400
    assert sandbox.control("claims")["claims"] == []


def test_faults_befall_claims_only_where_they_are_asked_for(sandbox: Sandbox) -> None:
    sandbox.fault("unavailable")
    assert sandbox.call("claim", pushed()).status == 200
    sandbox.control("faults", {"next": ["unavailable"], "on": "claim"})
    assert sandbox.call("claim", pushed()).status == 503
