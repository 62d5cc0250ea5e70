"""A cashier's way through the hospital portal, in a real browser against a real server."""

from __future__ import annotations

import itertools
import re

from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.journeys.conftest import Watch, picture
from tests.world import CREDENTIAL, ID_NO, NAME, PASSWORD, PHONE, World

DESKTOP: ViewportSize = {"width": 1440, "height": 900}
SIZES: dict[str, ViewportSize] = {
    "desktop": DESKTOP,
    "laptop": {"width": 1280, "height": 800},
    "tablet": {"width": 820, "height": 1180},
    "phone": {"width": 390, "height": 844},
}


# Tables of the first page that are wider than their place.
CUT_OFF = (
    "[...document.querySelectorAll('.ms-scroll:has(.ms-stack)')].filter(e => e.scrollWidth > e.clientWidth).length"
)


def sign_in(page: Page, site_url: str, username: str = "chen") -> None:
    page.goto(f"{site_url}/hospital/")
    page.fill("[name=username]", username)
    page.fill("[name=password]", PASSWORD)
    page.click("[type=submit]")


def test_a_cashier_follows_a_fee_to_the_insurer_and_back(browser: Browser, site_url: str, settled_world: World) -> None:
    page = browser.new_page(locale="en-US", viewport=DESKTOP)
    watch = Watch(page, site_url)
    sign_in(page, site_url)
    expect(page.locator(".ms-tile").first).to_contain_text("In doubt")
    expect(page.locator(".ms-banner")).to_contain_text("no real money")

    page.click("nav >> text=Transactions")
    expect(page.locator("tbody tr")).to_have_count(6)
    page.fill("[name=q]", "A-SHARED")
    page.click(".ms-primary")
    expect(page.locator("tbody tr")).to_have_count(1)

    page.click("text=A-SHARED")
    expect(page.locator(".ms-path li")).to_have_count(5)
    expect(page.locator(".ms-path")).to_contain_text("Succeeded")
    call = page.locator("details.ms-call").last
    expect(call).to_contain_text("X-MS-Signature")
    expect(call).to_contain_text('"settlement_no"')
    for secret in (ID_NO, NAME, PHONE, CREDENTIAL, "欧阳娜", "110101199001019004"):
        assert secret not in page.content()

    page.click("button[lang=zh-hans]")
    expect(page.locator("html")).to_have_attribute("lang", re.compile("zh-hans"))
    expect(page.locator(".ms-path")).to_contain_text("接入端")
    assert watch.complaints == []
    assert watch.foreign == []


def test_a_copied_id_is_on_the_clipboard_and_larger_text_is_remembered(browser: Browser, site_url: str) -> None:
    context = browser.new_context(locale="en-US", permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    sign_in(page, site_url)
    page.goto(f"{site_url}/hospital/transactions/?q=A-SETTLED")
    page.click("text=A-SETTLED")
    page.click(".ms-head [data-copy]")
    assert page.evaluate("navigator.clipboard.readText()") == "A-SETTLED"
    page.click("[data-text-size]")
    page.reload()
    assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "18px"


def test_the_command_palette_finds_a_message(browser: Browser, site_url: str, settled_world: World) -> None:
    page = browser.new_page(locale="en-US", viewport=DESKTOP)
    sign_in(page, site_url)
    msgid = settled_world.answer("A-REFUSED")["insurer"]["msgid"]
    # The key is heard once the page's scripts have run.
    page.wait_for_url(f"{site_url}/hospital/")
    page.keyboard.press("Control+k")
    page.locator("#search-input-command").press_sequentially(msgid)
    expect(page.locator("#command-results")).to_contain_text("A-REFUSED")


def test_a_dialog_stays_inside_its_window(browser: Browser, site_url: str, settled_world: World) -> None:
    for size in ("desktop", "phone"):
        page = browser.new_page(locale="zh-CN", viewport=SIZES[size])
        sign_in(page, site_url)
        for name, act in (("A-DOUBT", "abandon"), ("A-SETTLED", "disown")):
            page.goto(f"{site_url}/hospital/transactions/{settled_world.transactions[name]}/")
            page.click(f"a[href*='/{act}/']")
            box = page.locator("dialog.ms-dialog").bounding_box()
            picture(page, f"dialog-{act}-{size}")
            assert box is not None
            assert box["y"] >= 0, (act, size)
            assert box["y"] + box["height"] <= SIZES[size]["height"], (act, size)
            expect(page.locator("dialog h2")).to_be_in_viewport()
            page.click("dialog [data-close]")
            expect(page.locator("dialog")).to_have_count(0)
        page.close()


def test_every_page_fits_its_window_in_both_languages(browser: Browser, site_url: str, settled_world: World) -> None:
    for locale, size in itertools.product(("en-US", "zh-CN"), SIZES):
        page = browser.new_page(locale=locale, viewport=SIZES[size])
        watch = Watch(page, site_url)
        page.goto(f"{site_url}/hospital/")
        picture(page, f"sign-in-{locale}-{size}")
        sign_in(page, site_url)
        for name, address in addresses(settled_world).items():
            page.goto(f"{site_url}/hospital/{address}")
            picture(page, f"{name}-{locale}-{size}")
            assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"], (name, size)
            assert page.locator("#nav-sidebar").is_visible() == (size in ("desktop", "laptop")), (name, size)
            assert page.evaluate(CUT_OFF) == 0, (name, size)
        assert watch.complaints == []
        page.close()


def addresses(world: World) -> dict[str, str]:
    pages = {"home": "", "transactions": "transactions/", "messages": "messages/", "nothing": "transactions/?q=nothing"}
    desk = ("queue", "outage", "refunds", "shifts", "days")
    pages |= {"connection": "connection/?test=1", **{name: f"{name}/" for name in desk}}
    told = ("A-SHARED", "A-DOUBT", "A-REFUSED", "A-UNSENT")
    return pages | {name: f"transactions/{world.transactions[name]}/" for name in told}
