"""The envelope at the door, and the life of the process."""

import ast
import http.client
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .process import HEADERS, ROOT, Sandbox, about, settlement


def post(sandbox: Sandbox, body: bytes, headers: dict[str, str], module: str = "settle") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
    connection.request("POST", f"/spi/v1/{module}", body, headers)
    response = connection.getresponse()
    content = json.loads(response.read())
    connection.close()
    return response.status, content["code"]


def test_an_answer_is_signed_and_names_its_request(sandbox: Sandbox) -> None:
    request = settlement()
    answer = sandbox.call("settle", request)
    assert answer.is_signed
    sender, recipient, message_id, correlation_id = (answer.headers[name] for name in HEADERS[:4])
    assert (sender, recipient) == ("SANDBOX-A", "MEDISETTLE")
    assert (message_id, correlation_id) == (request["msgid"], f"C-{request['msgid']}")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"timestamp": "1000000000"}, "stale_timestamp"),
        ({"timestamp": "soon"}, "stale_timestamp"),
        ({"recipient": "SANDBOX-B"}, "wrong_route"),
        ({"sender": "SOMEBODY"}, "wrong_route"),
        ({"schema": "2"}, "unknown_schema"),
        ({"key_id": "k2"}, "unknown_key"),
        ({"message_id": ""}, "no_message_id"),
    ],
)
def test_it_refuses_a_wrong_envelope(sandbox: Sandbox, changes: dict[str, str], code: str) -> None:
    body = json.dumps(settlement()).encode()
    facts = {"message_id": "m"} | changes
    assert post(sandbox, body, sandbox.headers("settle", body, **facts)) == (401, code)
    assert sandbox.book() == []


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_changed_on_the_way_breaks_the_signature(sandbox: Sandbox, header: str) -> None:
    body = json.dumps(settlement()).encode()
    headers = sandbox.headers("settle", body, "m")
    headers[header] = headers[header] + "1"
    status, code = post(sandbox, body, headers)
    assert (status, code) == (401, "unknown_key" if header == "X-MS-Key-Id" else "bad_signature")


def test_a_body_or_path_changed_on_the_way_breaks_the_signature(sandbox: Sandbox) -> None:
    body = json.dumps(settlement()).encode()
    headers = sandbox.headers("settle", body, "m")
    assert post(sandbox, body + b" ", headers) == (401, "bad_signature")
    assert post(sandbox, body, headers, module="presettle") == (401, "bad_signature")
    assert post(sandbox, body, headers | {"X-MS-Signature": "no base64!"}) == (401, "bad_signature")
    assert sandbox.book() == []


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"msgid": "m"}', b"\xff"])
def test_it_refuses_a_body_that_breaks_the_contract(sandbox: Sandbox, body: bytes) -> None:
    assert post(sandbox, body, sandbox.headers("settle", body, "m")) == (400, "bad_message")


@pytest.mark.parametrize("total_minor", [-1, 1.5, True, "100", None, 10**16])
def test_it_refuses_an_amount_that_is_none(sandbox: Sandbox, total_minor: object) -> None:
    body = json.dumps(settlement(total_minor=total_minor)).encode()
    assert post(sandbox, body, sandbox.headers("settle", body, "m")) == (400, "bad_message")


def test_two_mebibytes_are_read_and_more_is_refused(sandbox: Sandbox) -> None:
    request = settlement()
    padding = 2 * 1024 * 1024 - len(json.dumps(request | {"note": ""}).encode())
    assert sandbox.call("settle", request | {"note": "x" * padding}).content["code"] == "done"
    body = json.dumps(settlement(note="x" * (padding + 100))).encode()
    assert post(sandbox, body, sandbox.headers("settle", body, "m")) == (413, "too_large")


def test_a_question_is_answered_again_but_its_id_serves_one_question(sandbox: Sandbox) -> None:
    query = about("query", settlement())
    assert sandbox.call("query", query).content["code"] == "not_found"
    assert sandbox.call("query", query).content["code"] == "not_found"
    assert sandbox.call("query", query | {"of_msgid": "another"}).status == 409


def test_the_clock_of_the_insurer_can_go_wrong(sandbox: Sandbox) -> None:
    sandbox.control("clock", {"offset_seconds": 3600})
    assert sandbox.call("settle", settlement()).status == 401
    sandbox.control("clock", {"offset_seconds": 30})
    answer = sandbox.call("settle", settlement())
    assert 25 < int(answer.headers["X-MS-Timestamp"]) - time.time() < 35


def test_a_killed_insurer_has_kept_every_answer_it_gave(start: Callable[..., Sandbox]) -> None:
    sandbox = start()
    requests = [settlement() for _ in range(30)]
    answers = [sandbox.call("settle", request).body for request in requests]
    unknown = settlement()
    sandbox.call("reverse", about("reverse", unknown))
    sandbox.kill()
    sandbox.start()
    assert sandbox.states() == ["settled"] * 30
    assert [sandbox.call("settle", request).body for request in requests] == answers
    assert sandbox.call("settle", unknown).content["reason"]["code"] == "reversed_before"


def test_it_ends_cleanly_while_a_caller_waits_in_silence(start: Callable[..., Sandbox]) -> None:
    sandbox = start()
    sandbox.fault("commit_then_silence")
    connection = sandbox.open("settle", settlement())
    while not sandbox.book():
        time.sleep(0.02)
    began = time.monotonic()
    assert sandbox.stop() == 0
    assert time.monotonic() - began < 8
    connection.close()
    book = sqlite3.connect(sandbox.folder / "book.sqlite3")
    assert book.execute("SELECT state FROM settlements").fetchall() == [("settled",)]
    book.close()


def test_a_reset_never_hands_out_a_number_twice(sandbox: Sandbox) -> None:
    first = sandbox.call("settle", settlement()).content["settlement_no"]
    sandbox.control("reset", {})
    assert sandbox.book() == []
    assert sandbox.call("settle", settlement()).content["settlement_no"] > first


def test_a_book_serves_one_process(start: Callable[..., Sandbox]) -> None:
    sandbox = start()
    command = [sys.executable, "-m", "insurers.sandbox", "--code", "X", "--book", str(sandbox.folder / "book.sqlite3")]
    command += ["--secret-file", str(sandbox.folder / "secret.json")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert b"locked" in ended.stderr


def test_it_imports_nothing_of_ours() -> None:
    allowed = {"aiohttp"} | set(sys.stdlib_module_names)
    for file in Path(ROOT, "insurers", "sandbox").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                assert (node.module or "").split(".")[0] in allowed, file
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1, file
            if isinstance(node, ast.Import):
                assert all(alias.name.split(".")[0] in allowed for alias in node.names), file
