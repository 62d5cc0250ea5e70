"""The insurer's pages: what they show, what they do, in both languages, and that a stranger is shown nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.urls import URLPattern

from claims.models import Claim
from core.row_security import EVERYTHING
from insurers.models import Authority, WaitingDecision
from insurers.portal import site
from insurers.portal.forms import FORMS
from insurers.states import Module
from tests.hospitals.portal.test_chinese import Words
from tests.insurers.cast import PASSWORD, Cast
from tests.insurers.house import PAYABLE_MINOR, Desk, authorise, fresh, make_desk, onboard
from tests.roles import as_role

SignIn = Callable[[str], Client]


@pytest.fixture
def desk(cast: Cast) -> Desk:
    desk = make_desk(cast)
    onboard(cast, Module.CLAIM)
    return desk


@pytest.fixture
def claim(desk: Desk) -> Claim:
    return desk.claim()


@pytest.fixture
def signed_in(claim: Claim) -> Iterator[SignIn]:
    """`signed_in("ji")` is a client of that person; until the test ends the connection is role app's."""

    def sign_in(username: str) -> Client:
        client = Client()
        answer = client.post("/insurer/login/?next=/insurer/", {"username": username, "password": PASSWORD})
        assert answer.status_code == 302, answer.content.decode()
        return client

    with as_role("app"):
        yield sign_in


@contextmanager
def as_owner() -> Iterator[None]:
    """Look past all fences in the middle of what role app does."""
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
        yield
        cursor.execute("SET ROLE medisettle_app")


def state_of(claim: Claim) -> str:
    with as_owner():
        return str(fresh(claim).state)


def page(client: Client, address: str, *, status: int = 200) -> str:
    """The page's text without tags, its white space joined."""
    answer = client.get(f"/insurer/{address}")
    assert answer.status_code == status, address
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def addresses(claim: Claim) -> list[str]:
    bench = f"claims/{claim.pk}/"
    return ["", *(f"?tab={tab}" for tab in ("mine", "done")), bench, *(f"{bench}{act}/" for act in FORMS)]


MORE = ["authority/", "messages/", "onboarding/", "nowhere", "search/?s=x"]


def test_the_queue_shows_what_is_to_be_decided(claim: Claim, signed_in: SignIn) -> None:
    shown = page(signed_in("ji"), "")
    assert claim.claim_no in shown
    assert "3,000.00 CNY" in shown
    assert "To be decided 1" in shown


def test_the_bench_shows_person_facts_arithmetic_and_recommendation(claim: Claim, signed_in: SignIn) -> None:
    shown = page(signed_in("ji"), f"claims/{claim.pk}/")
    for words in ("李雷", "C50.9", "5,000.00 CNY", "60 %", "Recommended by the pre-review 3,000.00 CNY", "Timeline"):
        assert words in shown, words
    assert "You have no authority" in shown


def decide(client: Client, claim: Claim, act: str, **entered: object) -> int:
    """Send the dialog of an act as it is now; the answer's status."""
    with as_owner():
        version = fresh(claim).version
    return client.post(f"/insurer/claims/{claim.pk}/{act}/", {"version": version, **entered}).status_code


def test_a_clerk_declines_with_a_clause_in_the_browsers_words(cast: Cast, claim: Claim, signed_in: SignIn) -> None:
    client = signed_in("ji")
    with as_owner():
        authorise(cast, cast.clerk, alone_minor=10**9)
    entered = {
        "reason_code": "not_indicated",
        "clause": "Article 6.",
        "clause_zh": "第六条。",
        "explanation": "It is not.",
    }
    assert decide(client, claim, "decline", **entered | {"clause": ""}) == 422
    assert decide(client, claim, "decline", **entered) == 302
    shown = page(client, f"claims/{claim.pk}/")
    assert "Declined" in shown
    assert "Article 6." in shown
    assert "Reopen" in shown


def test_above_his_authority_it_waits_and_a_colleague_confirms_it(cast: Cast, desk: Desk) -> None:
    claim = desk.claim()
    authorise(cast, cast.clerk, alone_minor=0)
    authorise(cast, cast.second, alone_minor=0, second_minor=PAYABLE_MINOR)
    with as_role("app"):
        first, second = Client(), Client()
        for client, name in ((first, "ji"), (second, "yan")):
            client.post("/insurer/login/?next=/insurer/", {"username": name, "password": PASSWORD})
        assert decide(first, claim, "approve") == 302
        with as_owner():
            waiting = WaitingDecision.objects.get()
        assert "It is yours" in page(first, f"waiting/{waiting.pk}/")
        own = first.post(f"/insurer/waiting/{waiting.pk}/", {"decision": "confirm"})
        assert (own.status_code, state_of(claim)) == (409, "IN_CONFIRMATION")
        assert "Look and confirm" in page(second, "")
        assert second.post(f"/insurer/waiting/{waiting.pk}/", {"decision": "confirm"}).status_code == 302
    assert fresh(claim).state == "CONFIRMED"


def test_a_form_seen_before_the_claim_moved_is_refused(cast: Cast, claim: Claim, signed_in: SignIn) -> None:
    client = signed_in("ji")
    with as_owner():
        authorise(cast, cast.clerk, alone_minor=10**9)
    late = client.post(f"/insurer/claims/{claim.pk}/approve/", {"version": claim.version - 1})
    assert late.status_code == 409
    assert state_of(claim) == "IN_CONFIRMATION"


def test_a_claim_is_taken_and_its_holder_is_named(claim: Claim, signed_in: SignIn) -> None:
    first, second = signed_in("ji"), signed_in("yan")
    first.post(f"/insurer/claims/{claim.pk}/", {"lease": "take"})
    assert "You have it open until" in page(first, f"claims/{claim.pk}/")
    assert claim.claim_no in page(first, "?tab=mine")
    assert "季风" in page(second, f"claims/{claim.pk}/")
    second.post(f"/insurer/claims/{claim.pk}/", {"lease": "take"})
    assert "季风" in page(second, f"claims/{claim.pk}/")
    first.post(f"/insurer/claims/{claim.pk}/", {"lease": "give_back"})
    assert "Open with" not in page(second, f"claims/{claim.pk}/")


def test_the_matrix_is_changed_by_the_security_administrator_only(signed_in: SignIn) -> None:
    line = {"what": "grant", "username": "ji", "product": "", "drug": "", "alone_minor": "100", "second_minor": "0"}
    refused = signed_in("ji").post("/insurer/authority/", line)
    assert refused.status_code == 403
    with as_owner():
        assert not Authority.objects.exists()
    guard = signed_in("shou")
    assert guard.post("/insurer/authority/", line).status_code == 302
    assert "100.00 CNY" in page(guard, "authority/")
    with as_owner():
        kept = Authority.objects.get()
    assert guard.post("/insurer/authority/", {"what": "revoke", "line": str(kept.pk)}).status_code == 302
    assert "Nobody has authority yet." in page(guard, "authority/")


def test_onboarding_shows_each_condition_and_who_checks_it(signed_in: SignIn) -> None:
    shown = page(signed_in("guan"), "onboarding/")
    for words in ("Insurance licence Met", "Account for payments Met", "Auditor", "Claims for confirmation claim On"):
        assert words in shown, words


def test_an_insurer_applies_and_hands_in_from_the_page(claim: Claim, signed_in: SignIn) -> None:
    client = signed_in("lin")
    assert "Choose what your own system will do" in page(client, "onboarding/")
    assert client.post("/insurer/onboarding/", {"what": "apply", "module": ["claim"]}).status_code == 302
    paper = {"what": "hand_in", "kind": "LICENCE", "reference": "L-1", "valid_until": "2020-01-01"}
    assert client.post("/insurer/onboarding/", paper).status_code == 422
    assert client.post("/insurer/onboarding/", paper | {"valid_until": "2027-12-31"}).status_code == 302
    shown = page(client, "onboarding/")
    assert "Insurance licence Being checked L-1 2027-12-31" in shown
    assert client.post("/insurer/onboarding/", {"what": "hand_in", "kind": "NONSENSE"}).status_code == 404


@pytest.mark.parametrize("fences", ["both", "the selectors alone", "row-level security alone"])
def test_a_stranger_is_shown_nothing_at_any_address(
    cast: Cast, claim: Claim, signed_in: SignIn, fences: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = signed_in("wai")
    if fences == "row-level security alone":
        for module in ("claims.selectors.claims", "insurers.selectors.docking", "insurers.selectors.authority"):
            monkeypatch.setattr(f"{module}.organisations_seen_by", lambda *, user: EVERYTHING)
    if fences == "the selectors alone":
        connection.cursor().execute("RESET ROLE")
    bench = f"claims/{claim.pk}/"
    for address in [*addresses(claim), *MORE, f"search/?s={claim.claim_no}", f"{bench}documents/{uuid4()}/1/"]:
        shown = client.get(f"/insurer/{address}").content.decode()
        assert f'href="/insurer/{bench}' not in shown, (fences, address)
        assert "李雷" not in shown, (fences, address)
    for act in FORMS:
        assert client.post(f"/insurer/{bench}{act}/", {"version": claim.version}).status_code in (200, 404)
    assert state_of(claim) == "IN_CONFIRMATION"


def test_nobody_enters_without_signing_in_and_other_peoples_portals_stay_shut(
    cast: Cast, claim: Claim, signed_in: SignIn
) -> None:
    for address in [*addresses(claim), *MORE]:
        answer = Client().get(f"/insurer/{address}")
        assert (answer.status_code, "/insurer/login/" in answer.headers["Location"]) == (302, True), address
    client = Client()
    client.post("/insurer/login/?next=/insurer/", {"username": "yun", "password": PASSWORD})
    assert client.get("/insurer/").status_code == 302


def test_no_page_shows_an_untranslated_word(claim: Claim, signed_in: SignIn) -> None:
    for name in ("ji", "shou", "lin"):
        client = signed_in(name)
        client.post("/i18n/setlang/", {"language": "zh-hans"})
        for address in [*addresses(claim), *MORE]:
            words = Words()
            words.feed(client.get(f"/insurer/{address}").content.decode().replace(claim.claim_no, ""))
            assert not words.found, (name, address, words.found)


def test_the_site_has_these_addresses_and_no_admin_forms() -> None:
    names = {pattern.name for pattern in site.get_urls() if isinstance(pattern, URLPattern)}
    pages = {"index", "claim", "act", "document_page", "waiting", "authority", "messages", "onboarding"}
    assert names == {"login", "logout", "search", None} | pages
    assert site._registry == {}
