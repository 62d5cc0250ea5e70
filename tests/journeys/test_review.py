"""A pre-reviewer's first pages in a real browser: queue, claim, decision; in both languages and sizes."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, ViewportSize, expect

from claims.models import Claim
from claims.services.documents import document_add
from core.clock import database_now
from core.ids import new_trace_id
from prereview.services.take import claim_take
from registry.states import DocumentKind
from tests.journeys.conftest import Watch, picture, serving
from tests.prereview.house import PASSWORD, Desk, filed, fresh, make_desk, taken
from tests.registry.house import TODAY, make_shelf
from tests.roles import truncation_allowed

SIZES: dict[str, ViewportSize] = {
    "desktop": {"width": 1440, "height": 900},
    "tablet": {"width": 820, "height": 1180},
}


@pytest.fixture
def desk(transactional_db: None) -> Desk:
    truncation_allowed()
    return make_desk(make_shelf(materials=[]))


@pytest.fixture
def site_url(desk: Desk, process_environment: dict[str, str]) -> Iterator[str]:
    yield from serving(process_environment)


def paper(text: str) -> bytes:
    """A photograph of a paper, as far as a test needs one."""
    image = Image.new("RGB", (900, 1200), "white")
    ImageDraw.Draw(image).text((80, 120), text, fill="black", font_size=48)
    stored = io.BytesIO()
    image.save(stored, "JPEG")
    return stored.getvalue()


def with_papers(desk: Desk) -> Claim:
    claim = filed(desk.shelf, urgent=True)
    for kind in (DocumentKind.PRESCRIPTION, DocumentKind.DIAGNOSIS_CERTIFICATE):
        document_add(
            claim_id=claim.pk,
            kind=kind,
            content=paper(kind.value),
            file_name="photo.jpg",
            issued_on=TODAY,
            by="patient:1",
            now=database_now(),
        )
    claim_take(claim_id=claim.pk, now=database_now(), trace_id=new_trace_id())
    return fresh(claim.pk)


def sign_in(page: Page, site_url: str, username: str) -> None:
    page.goto(f"{site_url}/review/")
    page.fill("[name=username]", username)
    page.fill("[name=password]", PASSWORD)
    page.click("[type=submit]")
    page.wait_for_url(f"{site_url}/review/")


def test_a_reviewer_takes_a_claim_reads_its_papers_and_recommends(browser: Browser, desk: Desk, site_url: str) -> None:
    claim = with_papers(desk)
    page = browser.new_page(locale="en-US", viewport=SIZES["desktop"])
    watch = Watch(page, site_url)
    sign_in(page, site_url, "lin")
    expect(page.locator(".ms-case")).to_contain_text(claim.claim_no)
    page.click("text=Take the next claim")
    expect(page.locator(".ms-thumbs button")).to_have_count(2)
    page.wait_for_function("document.querySelector('[data-picture]').naturalWidth > 0")
    page.click("[data-zoom='1']")
    page.click("[data-turn]")
    assert "rotate(90deg)" in str(page.locator("[data-picture]").get_attribute("style"))
    page.keyboard.press("j")
    expect(page.locator(".ms-thumbs button").nth(1)).to_have_attribute("aria-pressed", "true")

    page.click("a[href*='/pass/']")
    expect(page.locator("dialog.ms-dialog")).to_be_visible()
    page.click("dialog .ms-primary")
    expect(page.locator(".ms-head")).to_contain_text("With the insurer")
    assert fresh(claim.pk).recommended_minor == 400_000
    assert watch.complaints == []
    assert watch.foreign == []


def test_a_patient_is_asked_in_the_wording_that_was_shown(browser: Browser, desk: Desk, site_url: str) -> None:
    claim = taken(desk.shelf)
    page = browser.new_page(locale="en-US", viewport=SIZES["tablet"])
    sign_in(page, site_url, "mei")
    page.click(f"text={claim.claim_no}")
    page.click("text=Take it")
    page.click("a[href*='/ask/']")
    page.select_option("dialog [name=kind_GENE_TEST]", "missing")
    page.click("dialog .ms-primary")
    page.wait_for_selector("[name=message]")
    assert "Gene test report" in page.input_value("[name=message]")
    assert "基因检测报告" in page.input_value("[name=message_zh]")
    picture(page, "review-wording")
    page.click("text=Send to the patient")
    expect(page.locator(".ms-head")).to_contain_text("Waits for materials")
    assert fresh(claim.pk).materials_asked == 1


def test_the_bench_fits_its_window_in_both_languages(browser: Browser, desk: Desk, site_url: str) -> None:
    claim = with_papers(desk)
    taken(desk.shelf, invoice_no="FP-1")
    twice = taken(desk.shelf, invoice_no="FP-1")
    pages = {
        "queue": "",
        "claim": f"claims/{claim.pk}/",
        "routed": f"claims/{twice.pk}/",
        "asks": "asks/",
        "rules": "rules/",
        "pass": f"claims/{claim.pk}/pass/",
        "ask": f"claims/{claim.pk}/ask/",
        "decline": f"claims/{claim.pk}/decline/",
    }
    for locale, size in itertools.product(("en-US", "zh-CN"), SIZES):
        page = browser.new_page(locale=locale, viewport=SIZES[size])
        watch = Watch(page, site_url)
        sign_in(page, site_url, "tang")
        for name, address in pages.items():
            page.goto(f"{site_url}/review/{address}")
            picture(page, f"review-{name}-{locale}-{size}")
            assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"], (name, size, locale)
        assert watch.complaints == []
        page.close()
