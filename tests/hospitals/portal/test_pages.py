"""What the hospital's pages say about transactions that were really settled, refused, unsent and doubtful."""

from __future__ import annotations

import html
import re
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from core.clock import database_now
from exchange.reasons import REASONS
from hospitals.portal import reading
from tests.hospitals.portal.conftest import SignIn
from tests.world import CREDENTIAL, ID_NO, NAME, PASSWORD, PHONE, World


def page(client: Client, address: str, *, status: int = 200) -> str:
    """The page's text without tags, its white space joined."""
    answer = client.get(f"/hospital/{address}")
    assert answer.status_code == status, address
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def his_numbers(client: Client, query: str) -> list[str]:
    shown = client.get(f"/hospital/transactions/{query}").content.decode()
    return re.findall(r'<a class="ms-strong"[^>]*>([^<]+)</a>', shown)


def test_the_home_page_counts_what_happened_today(settled_world: World, signed_in: SignIn) -> None:
    shown = page(signed_in("chen"), "")
    for words in ("In doubt 1 50.00 CNY", "Settled 2 1,334.56 CNY", "Refused 1 100.00 CNY", "Not sent 1 70.00 CNY"):
        assert words in shown
    assert "A-DOUBT" in shown
    assert re.search(r"The oldest for \d+ seconds?\.", shown)
    assert "Sandbox Insurer" in shown
    assert "Slow" in shown


def test_a_link_without_recent_messages_is_not_called_open(
    settled_world: World, signed_in: SignIn, settings: Settings
) -> None:
    client = signed_in("chen")
    window = settings.BREAKER["cool_seconds"] + max(settings.DEADLINE_SECONDS.values())
    assert f"Judged by your own messages of the last {round(window)} seconds" in page(client, "")
    settings.BREAKER = {**settings.BREAKER, "cool_seconds": -max(settings.DEADLINE_SECONDS.values())}
    shown = page(client, "")
    assert "No recent messages" in shown
    assert "Settle as usual" not in shown


def test_the_list_is_filtered_by_day_state_and_operation(settled_world: World, signed_in: SignIn) -> None:
    client = signed_in("bai")
    today = database_now().astimezone(ZoneInfo(settled_world.hospital.time_zone)).date().isoformat()
    assert len(his_numbers(client, "")) == 6
    assert his_numbers(client, "?state=uncertain") == ["A-DOUBT"]
    assert his_numbers(client, "?state=open") == ["A-DOUBT"]
    assert his_numbers(client, "?state=answered") == ["A-TRIAL"]
    assert "A-TRIAL" not in his_numbers(client, "?state=SUCCEEDED")
    assert his_numbers(client, "?state=NOT_SENT") == ["A-UNSENT"]
    assert his_numbers(client, "?operation=presettle") == ["A-TRIAL"]
    assert his_numbers(client, "?day=1999-01-01") == []
    assert his_numbers(client, "?day=9999-12-31") == []
    assert len(his_numbers(client, "?day=nonsense&state=nonsense&before=nonsense|x")) == 6
    assert len(his_numbers(client, f"?day={today}")) == 6


def test_a_transaction_is_found_by_any_of_its_numbers(settled_world: World, signed_in: SignIn) -> None:
    client = signed_in("chen")
    told = settled_world.answer("A-SHARED")
    for term in (
        "A-SHARED",
        "B-0002",
        "V-0002",
        told["trace_id"],
        told["insurer"]["msgid"],
        told["insurer"]["settlement_no"],
    ):
        assert his_numbers(client, f"?q=%20{term}%00") == ["A-SHARED"], term
        assert "A-SHARED" in client.get(f"/hospital/search/?s={term}").content.decode()
    assert "Nothing fits this search." in page(client, "transactions/?q=missing")


def test_pages_follow_each_other_without_gap_or_overlap(
    settled_world: World, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE_ROWS", 2)
    client, query, seen = signed_in("chen"), "", []
    while True:
        shown = client.get(f"/hospital/transactions/{query}").content.decode()
        seen += his_numbers(client, query)
        older = re.search(r'href="(\?before=[^"]+)">Older', shown)
        if older is None:
            break
        query = older[1].replace("&amp;", "&")
    assert len(seen) == len(set(seen)) == 6


def test_the_transaction_page_tells_the_whole_story(settled_world: World, signed_in: SignIn) -> None:
    client = signed_in("chen")
    shown = page(client, f"transactions/{settled_world.transactions['A-SHARED']}/")
    for words in (
        "1,234.56 CNY",
        "Serious illness insurance 246.91 CNY",
        "Own account 123.45 CNY",
        "Patient 246.92 CNY",
        "Receivable · Basic insurance fund 617.28 CNY",
        "Counter cash 246.92 CNY",
        "X-MS-Signature",
        "Insurer refuses after",
        "Being sent",
        "As the HIS was told",
        "Answer to a message: Done",
    ):
        assert words in shown
    raw = client.get(f"/hospital/transactions/{settled_world.transactions['A-SHARED']}/").content.decode()
    for secret in (ID_NO, NAME, PHONE, CREDENTIAL, "欧阳娜", "李四光", "110101199001019004"):
        assert secret not in raw


def test_each_ending_says_why_and_what_to_do(settled_world: World, signed_in: SignIn) -> None:
    client = signed_in("chen")
    endings = {
        "A-REFUSED": "The insurer refused; it holds nothing.",
        "A-DOUBT": "Do not settle this bill again: the platform is finding out.",
        "A-UNSENT": "nothing was sent",
    }
    for his_no, words in endings.items():
        assert words in page(client, f"transactions/{settled_world.transactions[his_no]}/")


def test_no_page_shows_a_list_or_a_code_of_ours(settled_world: World, signed_in: SignIn) -> None:
    client = signed_in("chen")
    keys = settled_world.transactions.values()
    for address in ("", "transactions/", "messages/", *(f"transactions/{key}/" for key in keys)):
        answer = client.get(f"/hospital/{address}")
        if answer.status_code == 404:
            continue  # The other hospital's.
        # What the HIS was told and what went over the wire is shown as it was.
        shown = html.unescape(re.sub(r"<pre.*?</pre>", "", answer.content.decode(), flags=re.DOTALL))
        assert '[, "' not in shown
        assert "Cashier" in shown
        words = re.sub(r"<[^>]+>", " ", shown)
        for code in (*REASONS, "DONE", "REFUSED", "UNKNOWN"):
            assert not re.search(rf"(?<!A-)\b{code}\b", words), (address, code)
        assert "told yet" not in words


def test_a_wrong_password_is_said_once(settled_world: World) -> None:
    wrong = Client().post("/hospital/login/", {"username": "chen", "password": "wrong"}).content.decode()
    assert wrong.count("User name or password is wrong.") == 1
    assert wrong.count('role="alert"') == 1
    assert "errornote" not in wrong


def test_signing_in_leads_to_the_page_that_was_asked_for(settled_world: World) -> None:
    client = Client()
    asked = client.get("/hospital/messages/")
    shown = client.get(asked.headers["Location"]).content.decode()
    form = shown[shown.index('id="login-form"') :]
    target = re.findall(r'name="next" value="([^"]*)"', form)[0]
    answer = client.post("/hospital/login/", {"username": "chen", "password": PASSWORD, "next": target})
    assert answer.headers["Location"] == "/hospital/messages/"


def test_staff_pages_carry_the_policy_and_stay_out_of_caches(settled_world: World, signed_in: SignIn) -> None:
    client = signed_in("chen")
    for address in ("/hospital/", "/hospital/login/", "/hospital/transactions/", "/hospital/nowhere"):
        headers = client.get(address).headers
        assert "'unsafe-eval'" in headers["Content-Security-Policy"]
        assert "no-store" in headers["Cache-Control"]
        assert "http" not in headers["Content-Security-Policy"]


def test_no_list_page_asks_more_than_twelve_questions(settled_world: World, signed_in: SignIn) -> None:
    client = signed_in("chen")
    for address in ("transactions/", "transactions/?q=A-SHARED", "messages/"):
        with CaptureQueriesContext(connection) as queries:
            client.get(f"/hospital/{address}")
        asked = [one for one in queries if one["sql"].startswith("SELECT") and "set_config" not in one["sql"]]
        assert len(asked) <= 12, [one["sql"][:100] for one in asked]


def test_a_person_gets_his_own_language_at_sign_in_unless_he_chose_one(settled_world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_user SET language = 'zh-hans' WHERE username = 'chen'")
    client = Client()
    client.post("/hospital/login/", {"username": "chen", "password": PASSWORD})
    assert "今日" in client.get("/hospital/").content.decode()
    client.post("/i18n/setlang/", {"language": "en"})
    client.post("/hospital/login/", {"username": "chen", "password": PASSWORD})
    assert "Today" in client.get("/hospital/").content.decode()


def test_times_are_the_hospitals_own(settled_world: World, signed_in: SignIn) -> None:
    shown = signed_in("chen").get("/hospital/transactions/").content.decode()
    utc, local = re.findall(r'title="([\d-]+ \d\d):\d\d:\d\d UTC"[^>]*>([\d-]+ \d\d):', shown)[0]
    assert (int(local[-2:]) - int(utc[-2:])) % 24 == 8


def test_an_empty_portal_says_what_comes_next(
    settled_world: World, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = signed_in("chen")
    monkeypatch.setattr("portal.selectors.organisations_seen_by", lambda *, user: [])
    assert "No transaction yet." in page(client, "transactions/")
    assert "No message yet." in page(client, "messages/")
    assert "Nothing is in doubt." in page(client, "")
