"""A slip in the hands of a patient: a small phone, two languages, a page that loads nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, ViewportSize

from core.clock import database_now
from core.row_security import EVERYTHING, seen_by
from exchange.services.receive import transactions_receive
from exchange.services.slips import SlipFacts, slip_give
from hospitals.listener.slip import slip_page
from tests.journeys.conftest import Watch, picture
from tests.world import World

PHONE: ViewportSize = {"width": 360, "height": 640}
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def facts(world: World) -> SlipFacts:
    """The slip of a fee whose insurer takes its time."""
    world.sandbox.control("latency", {"seconds": 25.0})
    now = database_now()
    with seen_by(EVERYTHING):
        transactions_receive(drafts=[world.draft("A-SLOW")], now=now)
        slip = slip_give(organisation_id=world.hospital.pk, his_no="A-SLOW", now=now)
    world.engine.wake()
    return slip


@pytest.mark.parametrize(("locale", "title"), [("en-GB", "No answer yet"), ("zh-CN", "等待结果")])
def test_the_page_reads_well_on_a_small_phone(
    settled_world: World, site_url: str, browser: Browser, locale: str, title: str
) -> None:
    token = facts(settled_world).token
    context = browser.new_context(locale=locale, viewport=PHONE)
    page = context.new_page()
    watch = Watch(page, site_url)
    for path, name in ((f"/s/{token}", "slip"), (f"/s/{'x' * 43}", "slip-unknown")):
        page.goto(site_url + path)
        picture(page, f"{name}-{locale}")
        assert page.evaluate(OVERFLOW) == 0
        if name == "slip":
            assert page.locator("h1").inner_text() == title
            assert page.evaluate("getComputedStyle(document.querySelector('main')).borderTopWidth") == "6px"
    assert [text for text in watch.complaints if "404" not in text] == []
    assert watch.foreign == []
    assert context.cookies() == []
    context.close()


def test_the_paper_fits_a_receipt_printer(settled_world: World, browser: Browser) -> None:
    html = slip_page(facts(settled_world), base_url="https://settle.example.org/")
    page = browser.new_page(viewport={"width": 302, "height": 640})  # 80 mm.
    page.set_content(html)
    picture(page, "slip-printed")
    assert page.evaluate(OVERFLOW) == 0
    width, height = page.evaluate(
        "(({width, height}) => [width, height])(document.querySelector('svg').getBoundingClientRect())"
    )
    assert abs(width - height) < 1
    assert width > 140, "large enough for a phone's camera"
