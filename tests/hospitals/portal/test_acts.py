"""What people do in the portal: every act through its form, its refusals in plain words, and nobody else's rows."""

from __future__ import annotations

import html
import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from exchange.models import BackOffice, DeskAct, Evidence, Refund, Ruling, SelfPayment, Transaction
from hospitals.portal.forms import FORMS
from tests.exchange.conftest import house
from tests.exchange.house import House, fresh
from tests.exchange.staff import PASSWORD, back_office, cashier, doubtful, handed_over, say, settled
from tests.hospitals.portal.test_chinese import Words
from tests.roles import as_role

__all__ = ["house"]
SETTLED = {
    "fund_minor": "80.00",
    "account_minor": "0",
    "hospital_minor": "",
    "cash_minor": "20",
    "settlement_no": "S-7",
}


@pytest.fixture
def people(house: House) -> dict[str, Client]:
    """Clients of everybody, who must see nothing but their own; requests are role app's from here on."""
    users: list[User] = [
        cashier(house.hospital, "chen"),
        back_office(house.hospital, "bai"),
        back_office(house.stranger, "zhou"),
    ]
    clients = {}
    for user in users:
        clients[user.username] = Client()
        login = {"username": user.username, "password": PASSWORD}
        assert clients[user.username].post("/hospital/login/?next=/hospital/", login).status_code == 302
    return clients


def ask(client: Client, address: str, values: dict[str, Any] | None = None) -> Any:
    """One request as role app: GET, or POST of `values`."""
    with as_role("app"):
        return client.get(address) if values is None else client.post(address, values)


def words(answer: Any) -> str:
    text = re.sub(r"<script.*?</script>|<style.*?</style>|<[^>]+>", " ", answer.content.decode(), flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", text))


def address(row: Transaction, act: str = "") -> str:
    return f"/hospital/transactions/{row.pk}/" + (f"{act}/" if act else "")


def entered(client: Client, row: Transaction, act: str, **values: Any) -> Any:
    """Open the form as people do, fill it in and send it; hidden fields are what the page gave."""
    page = ask(client, address(row, act) + "?back=/hospital/queue/")
    assert page.status_code == 200
    shown = page.content.decode()
    form = shown[shown.index('id="ms-act"') :]
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
    assert {"version", "token", "back", "csrfmiddlewaretoken"} <= set(hidden)
    return ask(client, address(row, act), hidden | values)


def limit_set(house: House, minor: int) -> None:
    BackOffice.objects.update_or_create(organisation_id=house.hospital.pk, defaults={"four_eyes_minor": minor})


def overpaid(house: House) -> Transaction:
    row = settled(house)
    say(row, "abandon", self_paid_minor=10000, receipt_no="R-1")
    return fresh(row)


def test_cash_is_told_from_the_queue_and_the_person_is_back_there(house: House, people: dict[str, Client]) -> None:
    row = doubtful(house)
    queue = words(ask(people["chen"], "/hospital/queue/"))
    assert row.his_no in queue
    assert "Ask the insurer now" in queue
    assert "The platform is still finding out by itself." in queue
    answer = entered(people["chen"], row, "abandon", self_paid_minor="100.00", tender="cash", receipt_no="R-1")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/hospital/queue/")
    assert SelfPayment.objects.get().amount_minor == 10000
    queue = words(ask(people["chen"], "/hospital/queue/"))
    assert "Saved." in queue
    assert "Cash taken" in queue
    assert "Cash on the bill 100.00 CNY" in queue


def test_a_refund_is_reported_with_its_papers(house: House, people: dict[str, Client]) -> None:
    row = overpaid(house)
    due = words(ask(people["bai"], "/hospital/refunds/"))
    assert "Due back to patients: 80.00 CNY" in due
    answer = entered(
        people["bai"], row, "refunded", amount_minor="80.00", refund_no="F-1", tender="wechat", red_receipt_no="X-1"
    )
    assert answer.status_code == 302
    refund = Refund.objects.get()
    assert (refund.amount_minor, refund.tender, refund.red_receipt_no, refund.by) == (8000, "wechat", "X-1", "bai")
    assert "No refund is due." in words(ask(people["bai"], "/hospital/refunds/"))
    shown = words(ask(people["bai"], address(row)))
    assert "Square" in shown
    assert "F-1 · X-1" in shown
    assert "Cash given back" in shown


def test_above_the_limit_a_colleague_looks_and_confirms(house: House, people: dict[str, Client]) -> None:
    limit_set(house, 8000)
    row = overpaid(house)
    assert "From 80.00 CNY on it waits" in words(ask(people["chen"], address(row, "refunded")))
    entered(people["chen"], row, "refunded", amount_minor="80.00", refund_no="F-1", tender="cash")
    waiting = DeskAct.objects.get()
    assert not Refund.objects.exists()
    assert "A colleague waits for your confirmation" not in words(ask(people["chen"], "/hospital/"))
    assert "A colleague waits for your confirmation" in words(ask(people["bai"], "/hospital/"))
    link = f"/hospital/waiting/acts/{waiting.pk}/"
    own = words(ask(people["chen"], link))
    assert "a colleague has to confirm it" in own
    assert "Confirm: it is so" not in own
    decision = {"decision": "second", "version": fresh(row).version, "back": "/hospital/queue/"}
    refused = ask(people["chen"], link, decision)
    assert (refused.status_code, "nobody confirms his own entry" in words(refused)) == (403, True)
    assert ask(people["bai"], link, decision).status_code == 302
    assert Refund.objects.get().by == "chen + bai"
    assert ask(people["bai"], link, decision).status_code == 404


def test_two_persons_rule_and_the_surplus_is_shown(house: House, people: dict[str, Client], settings: Settings) -> None:
    row = doubtful(house)
    say(row, "abandon", self_paid_minor=10000, receipt_no="R-1")
    row = handed_over(row, settings)
    told = {"decision": "SUCCEEDED", "reason": "their hotline, 14:10", **SETTLED}
    wrong = entered(people["chen"], row, "rule", **(told | {"cash_minor": "19.99"}))
    assert (wrong.status_code, "The parts do not make the total" in words(wrong)) == (422, True)
    assert entered(people["chen"], row, "rule", **told).status_code == 302
    ruling = Ruling.objects.get()
    queue = words(ask(people["bai"], "/hospital/queue/"))
    assert "Ruling: It is settled" in queue
    assert "A ruling waits for its second name." in queue
    shown = words(ask(people["bai"], f"/hospital/waiting/rulings/{ruling.pk}/"))
    assert "Fund pays 80.00 CNY" in shown
    assert "their hotline, 14:10" in shown
    decision = {"decision": "second", "version": row.version, "back": address(row)}
    assert ask(people["bai"], f"/hospital/waiting/rulings/{ruling.pk}/", decision).status_code == 302
    shown = words(ask(people["bai"], address(row)))
    assert "The settlement stands" in shown
    assert "Ruling of two persons: It is settled" in shown
    assert "Refund due 80.00 CNY" in shown


def test_a_ruling_is_withdrawn_without_effect(house: House, people: dict[str, Client], settings: Settings) -> None:
    row = handed_over(doubtful(house), settings)
    entered(people["chen"], row, "rule", decision="REVERSED", reason="their hotline")
    ruling = Ruling.objects.get()
    ask(people["chen"], f"/hospital/waiting/rulings/{ruling.pk}/", {"decision": "withdraw", "version": "x"})
    ruling.refresh_from_db()
    assert ruling.withdrawn
    assert fresh(row).state == "NEEDS_HUMAN"


def test_the_second_of_two_people_is_told_what_changed(house: House, people: dict[str, Client]) -> None:
    row = overpaid(house)
    seen = row.version
    entered(people["chen"], row, "refunded", amount_minor="50.00", refund_no="F-1", tender="cash")
    values = {"version": seen, "token": uuid4(), "amount_minor": "30.00", "refund_no": "F-2", "tender": "cash"}
    answer = ask(people["bai"], address(row, "refunded"), values)
    shown = words(answer)
    assert answer.status_code == 409
    assert "it changed while you looked at it" in shown
    assert "Told by the hospital: money was given back" in shown
    assert re.search(r"operators: [0-9a-f]{32}", shown)
    assert Refund.objects.count() == 1


def test_a_double_click_counts_once(house: House, people: dict[str, Client]) -> None:
    row = overpaid(house)
    values = {"version": row.version, "token": uuid4(), "amount_minor": "80", "refund_no": "F-1", "tender": "cash"}
    for _ in range(2):
        assert ask(people["bai"], address(row, "refunded"), values).status_code == 302
    assert Refund.objects.count() == 1


@pytest.mark.parametrize(
    "typed", ["", "0", "-5", "1e3", "NaN", "10.005", "ten", "99999999999999999", "٣", "1.2.3", "' OR 1=1 --"]
)
def test_an_amount_that_is_none_is_asked_for_again(house: House, people: dict[str, Client], typed: str) -> None:
    row = doubtful(house)
    answer = entered(people["chen"], row, "abandon", self_paid_minor=typed, tender="cash")
    assert answer.status_code == 422
    assert 'class="ms-error"' in answer.content.decode()
    assert not SelfPayment.objects.exists()


def test_amounts_are_read_as_people_type_them(house: House, people: dict[str, Client]) -> None:
    row = doubtful(house, total_minor=123456)
    entered(people["chen"], row, "abandon", self_paid_minor="¥ 1,234.56", tender="cash")
    assert SelfPayment.objects.get().amount_minor == 123456


def test_a_stranger_reads_and_moves_nothing_by_any_address(
    house: House, people: dict[str, Client], settings: Settings
) -> None:
    limit_set(house, 1)
    row, paid = handed_over(doubtful(house), settings), overpaid(house)
    entered(people["chen"], row, "rule", decision="REVERSED", reason="their hotline")
    entered(people["chen"], paid, "refunded", amount_minor="80", refund_no="F-1", tender="cash")
    kept = Evidence.objects.count()
    values = {"version": row.version, "token": uuid4(), "decision": "second", "reason": "mine", "amount_minor": "1"}
    addresses = [address(one, act) for one in (row, paid) for act in FORMS]
    addresses += [f"/hospital/waiting/rulings/{Ruling.objects.get().pk}/"]
    addresses += [f"/hospital/waiting/acts/{DeskAct.objects.get().pk}/"]
    for link in addresses:
        for answer in (ask(people["zhou"], link), ask(people["zhou"], link, values)):
            assert answer.status_code == 404, link
            assert row.his_no not in answer.content.decode()
    for link in ("/hospital/", "/hospital/queue/", "/hospital/refunds/"):
        shown = ask(people["zhou"], link).content.decode()
        assert row.his_no not in shown
        assert paid.his_no not in shown
    assert Evidence.objects.count() == kept
    assert (fresh(row).state, Ruling.objects.get().closed_at, DeskAct.objects.get().closed_at) == (
        "NEEDS_HUMAN",
        None,
        None,
    )


def test_a_post_without_the_pages_token_is_refused(house: House, people: dict[str, Client]) -> None:
    row = doubtful(house)
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = people["chen"].cookies
    values = {"version": row.version, "token": uuid4(), "self_paid_minor": "1", "tender": "cash"}
    assert ask(careful, address(row, "abandon"), values).status_code == 403
    assert not SelfPayment.objects.exists()


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/", "/insurer/", "javascript:alert(1)", ""])
def test_nobody_is_led_out_of_the_portal(house: House, people: dict[str, Client], back: str) -> None:
    row = doubtful(house)
    values = {"version": row.version, "token": uuid4(), "back": back}
    answer = ask(people["chen"], address(row, "query-again"), values)
    assert (answer.status_code, answer.headers["Location"]) == (302, address(row))


def test_every_refusal_and_form_is_chinese_too(house: House, people: dict[str, Client], settings: Settings) -> None:
    limit_set(house, 1)
    client = people["chen"]
    client.post("/i18n/setlang/", {"language": "zh-hans"})
    paid, row = overpaid(house), handed_over(doubtful(house), settings)
    entered(client, row, "rule", decision="REVERSED", reason="电话核实")
    entered(client, paid, "refunded", amount_minor="80", refund_no="F-1", tender="cash")
    pages = [ask(client, address(one, act)) for one in (row, paid) for act in FORMS]
    pages += [ask(client, address(paid)), ask(client, address(row)), ask(client, "/hospital/queue/")]
    pages += [ask(client, "/hospital/refunds/"), ask(client, "/hospital/")]
    pages += [ask(client, f"/hospital/waiting/rulings/{Ruling.objects.get().pk}/")]
    pages += [ask(client, f"/hospital/waiting/acts/{DeskAct.objects.get().pk}/")]
    stale = {"version": 0, "token": uuid4(), "amount_minor": "80", "refund_no": "F-9", "tender": "cash"}
    pages += [ask(client, address(paid, "refunded"), stale), ask(client, address(paid, "refunded"), {"token": "x"})]
    pages += [ask(client, address(paid, "service-cancelled"), {"version": paid.version, "token": uuid4()})]
    for page in pages:
        read = Words()
        read.feed(page.content.decode())
        assert read.found <= {"Chen", "HOSP"}, (page.status_code, read.found)
