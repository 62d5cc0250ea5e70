"""The slip of a pending transaction, and the page behind its code, over the real door."""

from __future__ import annotations

import http.client
import re
from contextlib import closing
from importlib.util import find_spec
from urllib.parse import urlsplit

from tests.exchange.test_doubt_live import say
from tests.hospitals.listener.checks import check_problem, nothing_written
from tests.live import Answer, LiveStack, until


def page(stack: LiveStack, path: str, *, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    """A page as a browser gets it."""
    address = urlsplit(stack.base_urls[0])
    with closing(http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)) as line:
        line.request(method, path, headers=headers)
        answer = line.getresponse()
        text = answer.read().decode()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text


def printed(stack: LiveStack, his_no: str, **headers: str) -> tuple[int, dict[str, str], str]:
    key = {"Authorization": f"Bearer {stack.client_keys['HOSP-A']}"}
    return page(stack, f"/api/his/v1/transactions/{his_no}/slip", **key, **headers)


def refusal(stack: LiveStack, his_no: str, *, hospital: str = "HOSP-A", accept: str = "text/html") -> Answer:
    return stack.ask("GET", f"transactions/{his_no}/slip", hospital=hospital, headers={"Accept": accept})


def token_of(stack: LiveStack, his_no: str) -> str:
    """What the code on the paper leads to."""
    found = "SELECT token FROM exchange_slip slip JOIN exchange_transaction wish ON wish.id = transaction_id "
    ((token,),) = stack.rows(found + "WHERE his_no = %s", [his_no])
    return str(token)


def doubtful(stack: LiveStack) -> str:
    """Sent, and not answered for a long while."""
    stack.latency("SANDBOX-A", 15.0)
    wish = stack.wish(wait_seconds=0)
    assert stack.post(wish).verdict == "pending"
    stack.wait_for(wish["his_no"], "SENDING")
    return str(wish["his_no"])


def test_a_pending_transaction_has_a_slip_and_its_page_says_how_it_stands(stack: LiveStack) -> None:
    his_no = doubtful(stack)
    status, headers, slip = printed(stack, his_no)
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert his_no in slip
    assert "<svg" in slip
    assert "<script" not in slip
    assert "张三" not in slip
    assert printed(stack, his_no)[2] == slip, "printed again it is the same slip"
    path = f"/s/{token_of(stack, his_no)}"
    status, headers, english = page(stack, path, **{"Accept-Language": "en"})
    assert (status, "No answer yet" in english, 'http-equiv="refresh"' in english) == (200, True, True)
    chinese = page(stack, path, **{"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"})[2]
    assert ("等待结果" in chinese, 'lang="zh-Hans"' in chinese) == (True, True)
    told = say(stack, his_no, "abandon", self_paid_minor=10000, receipt_no="R-1")
    assert told.verdict == "abandoned"
    assert "Paid by you, being cleared up" in page(stack, path)[2]
    stack.latency("SANDBOX-A", 0)


def test_the_page_knows_nobody(stack: LiveStack) -> None:
    """No name, hospital, amount, insurer or number; no cookie, no script, nothing from elsewhere."""
    his_no = doubtful(stack)
    printed(stack, his_no)
    _, headers, text = page(stack, f"/s/{token_of(stack, his_no)}")
    stack.latency("SANDBOX-A", 0)
    for secret in (
        his_no,
        f"V-{his_no}",
        "张三",
        "110101199001011237",
        "100.00",
        "10000",
        "HOSP",
        "SANDBOX",
        "Hospital",
    ):
        assert secret not in text
    assert "set-cookie" not in headers
    assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert len(text) < 4000
    assert re.findall(r"(?:src|href)=", text) == []


def test_an_unknown_token_is_a_page_that_says_nothing(stack: LiveStack) -> None:
    answers = [page(stack, f"/s/{token}") for token in ("A" * 43, "A" * 44, "x", "%00", "A" * 42 + "%2F")]
    assert [status for status, _, _ in answers] == [404] * 5
    texts = {text for _, headers, text in answers if "content-security-policy" in headers}
    assert len(texts) == 1, "all the same"
    assert "There is no such page" in texts.pop()
    assert page(stack, "/s/" + "A" * 43, method="POST")[0] in (403, 405)


def test_who_asks_too_often_waits(stack: LiveStack) -> None:
    statuses = [page(stack, "/s/" + "B" * 43)[0] for _ in range(60)]
    assert set(statuses) <= {404, 429}
    assert 429 in statuses
    until(lambda: page(stack, "/s/" + "B" * 43)[0] == 404, what="an answer again")


def test_what_is_not_pending_has_no_slip(stack: LiveStack) -> None:
    wish = stack.wish()
    assert stack.post(wish).verdict == "succeeded"
    with nothing_written(stack):
        refused = refusal(stack, wish["his_no"])
        check_problem(refused, 409, "nothing_pending")
        check_problem(refusal(stack, "NOBODY"), 404, "not_found")
        check_problem(refusal(stack, wish["his_no"], hospital="HOSP-B"), 404, "not_found")
    assert refused.body["transaction"]["verdict"] == "succeeded"


def test_what_is_asked_for_is_given_or_said_to_be_missing(stack: LiveStack) -> None:
    his_no = doubtful(stack)
    check_problem(refusal(stack, his_no, accept="application/json"), 406, "not_acceptable")
    assert printed(stack, his_no, Accept="application/pdf;q=0.1, */*")[0] == 200
    if find_spec("weasyprint") is None:
        check_problem(refusal(stack, his_no, accept="application/pdf"), 406, "pdf_not_installed")
    stack.latency("SANDBOX-A", 0)
