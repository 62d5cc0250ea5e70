"""What can go wrong around a body: sizes, types, slow lines, clients that leave, methods, addresses, headers."""

from __future__ import annotations

import gzip
import json
import socket
import time
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import pytest

from tests.hospitals.listener.checks import check_problem, nothing_written, raw_request, read_on, talk
from tests.live import LiveStack, until

LIMIT = 2 * 1024 * 1024


def line_to(stack: LiveStack) -> closing[socket.socket]:
    address = urlsplit(stack.base_urls[0])
    return closing(socket.create_connection((address.hostname, address.port), timeout=20))


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def problem_code(answer: bytes) -> str:
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["code"])


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=gbk",
        'application/json; charset="GB18030"',
        "application/jsonp",
        "",
    ],
)
def test_it_reads_json_in_utf_8_only(stack: LiveStack, content_type: str) -> None:
    with nothing_written(stack):
        answer = stack.post(stack.wish(), headers={"Content-Type": content_type})
    check_problem(answer, 415, "unsupported_content_type")


@pytest.mark.parametrize(
    "content_type", ["application/json;charset=UTF-8", 'Application/JSON; charset="utf-8"', "application/json; v=1"]
)
def test_it_reads_json_under_each_of_its_names(stack: LiveStack, content_type: str) -> None:
    assert stack.post(stack.wish(), headers={"Content-Type": content_type}).verdict == "succeeded"


def test_a_compressed_body_is_not_read(stack: LiveStack) -> None:
    with nothing_written(stack):
        answer = stack.post(gzip.compress(json.dumps(stack.wish()).encode()), headers={"Content-Encoding": "gzip"})
    check_problem(answer, 400, "malformed_json")


def test_it_takes_a_body_just_under_the_limit(stack: LiveStack) -> None:
    wish = stack.wish()
    wish["note"] = ""
    wish["note"] = "x" * (LIMIT - len(json.dumps(wish)))
    assert stack.post(wish).verdict == "succeeded"


def test_it_refuses_a_body_over_the_limit_before_it_has_come(stack: LiveStack) -> None:
    with nothing_written(stack), line_to(stack) as line:
        line.sendall(raw_request(stack, idempotency_key="big", content_length=str(LIMIT + 1)))
        answer = line.recv(65536)
    assert (status_of(answer), problem_code(answer)) == (413, "body_too_large")


def test_it_refuses_a_chunked_body_over_the_limit(stack: LiveStack) -> None:
    head = raw_request(stack, idempotency_key="big", content_length=None, transfer_encoding="chunked")
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    answer = b""
    with nothing_written(stack), line_to(stack) as line:
        line.sendall(head)
        try:
            for _ in range(LIMIT // 0x10000 + 2):
                line.sendall(chunk)
        except OSError:
            pass  # It need not read on to refuse.
        answer = line.recv(65536)
    assert (status_of(answer), problem_code(answer)) == (413, "body_too_large")


def test_it_takes_a_chunked_body(stack: LiveStack) -> None:
    wish = stack.wish()
    body = json.dumps(wish).encode()
    head = raw_request(stack, idempotency_key="chunked", content_length=None, transfer_encoding="chunked")
    sent = head + b"".join(b"1\r\n" + body[at : at + 1] + b"\r\n" for at in range(len(body))) + b"0\r\n\r\n"
    with line_to(stack) as line:
        line.sendall(sent)
        assert status_of(line.recv(65536)) == 200
    assert stack.get(wish["his_no"]).verdict == "succeeded"


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "18446744073709551616"])
def test_it_refuses_a_length_that_is_none(stack: LiveStack, length: str) -> None:
    with nothing_written(stack):
        answer = talk(stack, raw_request(stack, idempotency_key="length", content_length=length), seconds=2)
    assert status_of(answer) in (400, 413)


def test_a_client_that_sends_a_byte_per_second_is_told_after_ten(stack: LiveStack) -> None:
    wish = stack.wish()
    with nothing_written(stack), line_to(stack) as line:
        line.sendall(raw_request(stack, idempotency_key="slow", content_length="1000"))
        line.settimeout(1.0)
        started, answer = time.monotonic(), b""
        while not answer and time.monotonic() - started < 20:
            line.sendall(b" ")
            try:
                answer = line.recv(65536)
            except TimeoutError:
                continue
    assert (status_of(answer), problem_code(answer)) == (408, "body_too_slow")
    assert 9 < time.monotonic() - started < 15
    assert stack.post(wish).verdict == "succeeded"


def test_a_client_that_leaves_half_way_leaves_nothing(stack: LiveStack) -> None:
    with nothing_written(stack):
        with line_to(stack) as line:
            line.sendall(raw_request(stack, idempotency_key="half", content_length="1000") + b'{"his_no": "')
        time.sleep(0.5)
    check_problem(stack.get("NEVER-CAME"), 404, "not_found")


def test_what_a_client_sent_before_it_left_is_finished(stack: LiveStack) -> None:
    stack.latency("SANDBOX-A", 1.0)
    wish = stack.wish()
    with line_to(stack) as line:
        line.sendall(raw_request(stack, body=json.dumps(wish).encode(), idempotency_key=f"key-{wish['his_no']}"))
        # Long enough to be read, too short to be answered.
        time.sleep(0.3)
    assert until(lambda: stack.get(wish["his_no"]).body.get("verdict") == "succeeded")
    again = stack.post(wish)
    assert (again.status, again.verdict, again.headers["idempotent-replayed"]) == (200, "succeeded", "true")
    assert [entry["his_no"] for entry in stack.book("SANDBOX-A")].count(wish["his_no"]) == 1


def test_a_connection_goes_on_after_an_error(stack: LiveStack) -> None:
    wish = stack.wish()
    body = json.dumps(wish).encode()
    with line_to(stack) as line:
        line.sendall(raw_request(stack, body=b"{", idempotency_key="bad"))
        assert status_of(line.recv(65536)) == 400
        line.sendall(raw_request(stack, body=body, idempotency_key="good-after-bad"))
        assert status_of(line.recv(65536)) == 200


def test_requests_sent_in_one_go_are_answered_in_order(stack: LiveStack) -> None:
    bad = raw_request(stack, body=b"[]", idempotency_key="bad")
    good = raw_request(stack, method="GET", path="transactions/NOT-THERE", connection="close")
    answers = talk(stack, bad + bad + good)
    codes = [part.partition(b'"')[0] for part in answers.split(b'"code": "')[1:]]
    assert codes == [b"malformed_json", b"malformed_json", b"not_found"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "BREW"])
@pytest.mark.parametrize(
    ("path", "allowed"), [("transactions", "POST"), ("transactions/A", "GET"), ("openapi.json", "GET")]
)
def test_a_method_that_is_not_offered_is_named(stack: LiveStack, method: str, path: str, allowed: str) -> None:
    answer = talk(stack, raw_request(stack, method=method, path=path, connection="close"))
    head, _, content = answer.partition(b"\r\n\r\n")
    assert status_of(answer) == 405
    assert f"allow: {allowed}".encode() in head.lower().replace(allowed.lower().encode(), allowed.encode())
    assert b"application/problem+json" in head
    assert content == b"" if method == "HEAD" else json.loads(content)["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    "path", ["", "transactions/", "transactions/A/B", "transactions/A/applaud", "../his/v1/x", "x"]
)
def test_an_unknown_address_is_a_problem_too(stack: LiveStack, path: str) -> None:
    check_problem(stack.ask("GET", path), 404, "no_such_address")


@pytest.mark.parametrize(
    "his_no",
    [
        "%00",
        "A%00",
        "%0d%0aSet-Cookie:%20a=b",
        "%FF%FE",
        "%ED%A0%80",
        "%E6%B5%81%E6%B0%B4",
        "A%20B",
        "A~",
        "A~x",
        "~2",
        "%7E2",
        "A'%20OR%20'1'='1",
        "%25",
        "{0.__class__}",
        "A" * 65,
        "A" * 10_000,
    ],
)
def test_a_his_no_that_cannot_be_is_not_found(stack: LiveStack, his_no: str) -> None:
    answer = stack.ask("GET", f"transactions/{his_no}")
    check_problem(answer, 404, "not_found")
    assert len(json.dumps(answer.body)) < 2000


def test_the_second_half_of_a_resettle_may_be_asked_for(stack: LiveStack) -> None:
    check_problem(stack.ask("GET", "transactions/A~2"), 404, "not_found")


def test_a_percent_encoded_his_no_is_found(stack: LiveStack) -> None:
    wish = stack.wish("P-1.a_b")
    assert stack.post(wish).verdict == "succeeded"
    assert stack.ask("GET", "transactions/%50-1%2Ea_b").body["his_no"] == "P-1.a_b"
    assert stack.ask("GET", "transactions/P-1.a_b?his_no=OTHER&x=%00").body["his_no"] == "P-1.a_b"


@pytest.mark.parametrize(
    "given", ["short", "x" * 65, "abcdefgh;evil", "有追踪号的请求", "a b c d e f g h", "abcdefgh,abcdefgh"]
)
def test_a_trace_id_of_another_form_is_replaced(stack: LiveStack, given: str) -> None:
    answer = talk(stack, raw_request(stack, method="GET", path="transactions/A", x_trace_id=given, connection="close"))
    told = json.loads(answer.partition(b"\r\n\r\n")[2])["trace_id"]
    assert told != given
    assert len(told) == 32


def test_a_trace_id_cannot_bring_a_header_along(stack: LiveStack) -> None:
    request = raw_request(
        stack, method="GET", path="transactions/A", x_trace_id="abcdefgh\rX-Evil: 1", connection="close"
    )
    answer = talk(stack, request)
    assert b"x-evil" not in answer.lower()


def test_a_good_trace_id_is_kept(stack: LiveStack) -> None:
    answer = stack.post(stack.wish(), headers={"X-Trace-Id": "till-7-000042"})
    assert answer.headers["x-trace-id"] == answer.body["trace_id"] == "till-7-000042"


def test_a_hundred_idle_lines_hold_nobody_up(stack: LiveStack) -> None:
    with ExitStack() as lines:
        for _ in range(100):
            line = lines.enter_context(line_to(stack))
            line.sendall(b"POST /api/his/v1/transactions HTTP/1.1\r\nHost: x\r\n")
        started = time.monotonic()
        assert stack.post(stack.wish()).verdict == "succeeded"
        assert time.monotonic() - started < 5


def test_garbage_on_the_line_harms_nobody(stack: LiveStack) -> None:
    for sent in (b"\x16\x03\x01\x02\x00\x01", b"\0" * 5000, b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n"):
        address = urlsplit(stack.base_urls[0])
        with closing(socket.create_connection((address.hostname, address.port), timeout=1)) as line:
            try:
                line.sendall(sent)
                read_on(line)
            except OSError:
                pass  # It may hang up on us.
    assert stack.post(stack.wish()).verdict == "succeeded"
