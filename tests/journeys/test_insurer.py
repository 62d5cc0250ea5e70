"""An insurer clerk's first pages in a real browser: queue, bench, decision, second name, onboarding; both languages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from core.clock import database_now
from insurers.models import WaitingDecision
from insurers.states import Module
from registry.states import DocumentKind
from tests.claims.papers import photo
from tests.claims.papers import picture as paper
from tests.insurers.cast import PASSWORD, make_cast
from tests.insurers.house import PAYABLE_MINOR, Desk, authorise, fresh, make_desk, onboard
from tests.journeys.conftest import Watch, picture, serving
from tests.roles import truncation_allowed

SIZES: dict[str, ViewportSize] = {"desktop": {"width": 1440, "height": 900}, "tablet": {"width": 820, "height": 1180}}


@pytest.fixture
def desk(transactional_db: None) -> Desk:
    truncation_allowed()
    cast = make_cast(now=database_now())
    desk = make_desk(cast)
    desk.papers = {DocumentKind.PRESCRIPTION: photo(paper(900, 1200, "lightyellow"))}
    onboard(cast, Module.CLAIM)
    authorise(cast, cast.clerk, alone_minor=0)
    authorise(cast, cast.second, alone_minor=PAYABLE_MINOR, second_minor=PAYABLE_MINOR)
    return desk


@pytest.fixture
def site_url(desk: Desk, process_environment: dict[str, str]) -> Iterator[str]:
    yield from serving(process_environment)


def sign_in(page: Page, site_url: str, username: str) -> None:
    page.goto(f"{site_url}/insurer/")
    page.fill("[name=username]", username)
    page.fill("[name=password]", PASSWORD)
    page.click("[type=submit]")
    page.wait_for_url(f"{site_url}/insurer/")


def test_a_clerk_declines_and_a_colleague_confirms_it(browser: Browser, desk: Desk, site_url: str) -> None:
    claim = desk.claim()
    page = browser.new_page(locale="en-US", viewport=SIZES["desktop"])
    watch = Watch(page, site_url)
    sign_in(page, site_url, "ji")
    page.click(f"text={claim.claim_no}")
    page.wait_for_function("document.querySelector('details img').naturalWidth > 0")
    page.click("text=Take it")
    page.click(f"a[href$='{claim.pk}/decline/']")
    expect(page.locator("dialog.ms-dialog")).to_be_visible()
    page.fill("dialog [name=explanation]", "The treatment is outside what this cover pays for.")
    picture(page, "insurer-decline")
    page.click("dialog .ms-primary")
    expect(page.locator(".ms-page")).to_contain_text("A decision waits for its second name.")
    assert fresh(claim).state == "IN_CONFIRMATION"
    colleague = browser.new_page(locale="en-US", viewport=SIZES["desktop"])
    sign_in(colleague, site_url, "yan")
    colleague.click("text=Look and confirm")
    picture(colleague, "insurer-second-name")
    # The lease of the first clerk is his proposal's, too: it is the proposal that is confirmed.
    colleague.click("button[value=confirm]")
    expect(colleague.locator(".ms-head")).to_contain_text("Declined")
    assert fresh(claim).state == "DECLINED"
    assert WaitingDecision.objects.get().seconded_by == "yan"
    assert (watch.complaints, watch.foreign) == ([], [])


def test_the_pages_fit_their_window_in_both_languages(browser: Browser, desk: Desk, site_url: str) -> None:
    claim = desk.claim()
    pages = {
        "queue": "",
        "claim": f"claims/{claim.pk}/",
        "ask": f"claims/{claim.pk}/ask/",
        "authority": "authority/",
        "messages": "messages/",
        "onboarding": "onboarding/",
    }
    for language in ("en", "zh-hans"):
        for size, viewport in SIZES.items():
            page = browser.new_page(locale="en-US", viewport=viewport)
            watch = Watch(page, site_url)
            sign_in(page, site_url, "ji")
            if language == "zh-hans":
                page.locator(".ms-language[value=zh-hans]").last.click()
                page.wait_for_selector("html[lang=zh-hans]")
            for name, address in pages.items():
                page.goto(f"{site_url}/insurer/{address}")
                wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert wider <= 0, (name, size, language)
                picture(page, f"insurer-{name}-{size}-{language}")
            assert (watch.complaints, watch.foreign) == ([], [])
            page.close()
