"""The one page of job A for everybody: behind a slip's QR code, state and next step, and nothing else.

Whoever finds a slip learns no name, hospital, insurer or amount from it. An unknown token is answered like no address.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.utils.translation import get_language_from_request

from core.clock import database_now
from core.content_policy import lone_page_headers
from exchange.selectors.slips import TOKEN, SlipState, slip_state

REFRESH_SECONDS = 30
# (title, what it means, next step), each in English and Chinese.
Told = tuple[str, str, str]
TEXTS: dict[SlipState, tuple[Told, Told]] = {
    SlipState.WAITING: (
        (
            "No answer yet",
            "The insurance has not confirmed this bill yet. It may have been settled already; we are finding out.",
            "Please do not have it settled a second time. Ask at the cash desk; this page tells the news.",
        ),
        (
            "等待结果",
            "医保尚未确认这张账单，可能已经结算，系统正在核实。",
            "请勿重复结算。可到收费窗口咨询，本页面会显示最新结果。",
        ),
    ),
    SlipState.PAID_WAITING: (
        (
            "Paid by you, being cleared up",
            "You paid this bill yourself. We make sure that the insurance does not settle it as well.",
            "Nothing to do now. Keep this slip and your receipt.",
        ),
        (
            "您已自费支付，正在核实",
            "这张账单已由您自费支付，系统正在确认医保不会重复结算。",
            "您无需操作，请保留本凭条和收据。",
        ),
    ),
    SlipState.STAFF: (
        (
            "Our staff are looking at it",
            "The insurance's answer is not clear, so people are finding out.",
            "Keep this slip and your receipts. Ask at the cash desk.",
        ),
        ("工作人员正在核实", "医保的应答不明确，已转人工核实。", "请保留本凭条和收据，可到收费窗口咨询。"),
    ),
    SlipState.SETTLED: (
        (
            "Settled",
            "The insurance has settled this bill.",
            "Pick up your settlement receipt at the cash desk; pay your own share if you have not yet.",
        ),
        ("已结算", "医保已完成这张账单的结算。", "请到收费窗口领取结算单；如尚未支付个人部分，请一并支付。"),
    ),
    SlipState.REFUND_DUE: (
        (
            "Money is due back to you",
            "You paid more than your own share of this bill.",
            "Bring this slip and your receipt to the cash desk.",
        ),
        ("有应退款", "您支付的金额多于个人应付部分。", "请携带本凭条和收据到收费窗口办理退款。"),
    ),
    SlipState.PAID: (
        (
            "Paid by you",
            "The insurance has not settled this bill; your payment stands.",
            "Keep your receipt. The cash desk can tell whether it can still be settled with the insurance.",
        ),
        ("已自费支付", "医保未结算这张账单，您的付款有效。", "请保留收据。能否补办医保结算，请到收费窗口咨询。"),
    ),
    SlipState.NOT_SETTLED: (
        (
            "Not settled",
            "The insurance has not settled this bill, and nothing is held there.",
            "Please go to the cash desk.",
        ),
        ("未结算", "医保未结算这张账单，也没有留下结算记录。", "请到收费窗口办理。"),
    ),
    SlipState.CANCELLED: (
        (
            "Cancelled",
            "The settlement of this bill was cancelled.",
            "Please go to the cash desk if you have questions.",
        ),
        ("已撤销", "这张账单的结算已撤销。", "如有疑问，请到收费窗口咨询。"),
    ),
}
MISSING: tuple[Told, Told] = (("Nothing here", "There is no such page.", ""), ("没有内容", "没有此页面。", ""))
BUSY: tuple[Told, Told] = (
    ("Please wait a moment", "Too many people are asking just now.", "Try again in a minute."),
    ("请稍候", "当前访问人数过多。", "请一分钟后再试。"),
)
STYLE = """
:root{color-scheme:light dark}
body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;background:#f4f6f7;color:#1b2526;
font:17px/1.55 system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif}
main{box-sizing:border-box;width:100%;max-width:26rem;margin:1rem;padding:1.6rem 1.4rem;background:#fff;
border-radius:14px;border-top:6px solid #0f7a72;overflow-wrap:anywhere}
h1{margin:0 0 .8rem;font-size:1.5rem;line-height:1.25}
p{margin:0 0 .8rem}
.next{margin:1.2rem 0 0;padding:.9rem 1rem;border-radius:10px;background:#e8f3f2;font-weight:600}
.next small{display:block;font-weight:400;font-size:.85rem}
@media(prefers-color-scheme:dark){body{background:#10191a;color:#e6eeee}main{background:#1a2627}.next{background:#12393a}}
"""


HEADERS = lone_page_headers(STYLE)


class RateLimit:
    """A bucket per name, and a bounded number of buckets: the names that were asked for longest ago are forgotten."""

    def __init__(self, *, per_second: float, burst: int, names: int = 10_000) -> None:
        self.per_second, self.burst, self.names = per_second, burst, names
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self.lock = threading.Lock()

    def takes(self, name: str, *, at: float) -> bool:
        """Whether one more request is let through; `at` is a monotonic reading in seconds."""
        with self.lock:
            left, since = self.buckets.pop(name, (float(self.burst), at))
            left = min(float(self.burst), left + (at - since) * self.per_second)
            allowed = left >= 1
            self.buckets[name] = (left - 1 if allowed else left, at)
            if len(self.buckets) > self.names:
                self.buckets.popitem(last=False)
            return allowed


everybody = RateLimit(per_second=50, burst=200, names=1)
each = RateLimit(per_second=2, burst=30)


def slip(request: HttpRequest, token: str) -> HttpResponse:
    """GET /s/<token>: how the bill of this slip stands."""
    if request.method not in ("GET", "HEAD"):
        return _page(request, MISSING, status=405)
    at = time.monotonic()
    if not each.takes(str(request.META.get("REMOTE_ADDR", "")), at=at) or not everybody.takes("", at=at):
        response = _page(request, BUSY, status=429)
        response["Retry-After"] = "60"
        return response
    # What cannot be a token costs no look into the database.
    state = slip_state(token=token, now=database_now()) if TOKEN.fullmatch(token) else None
    if state is None:
        return _page(request, MISSING, status=404)
    return _page(request, TEXTS[state], status=200, refresh=state.moves)


def _page(request: HttpRequest, texts: tuple[Told, Told], *, status: int, refresh: bool = False) -> HttpResponse:
    chinese = get_language_from_request(request).startswith("zh")
    title, meaning, next_step = texts[1 if chinese else 0]
    values = {
        "language": "zh-Hans" if chinese else "en",
        "title": title,
        "meaning": meaning,
        "next_title": "下一步" if chinese else "Next step",
        "next_step": next_step,
        "refresh_seconds": REFRESH_SECONDS if refresh else None,
        "style": STYLE,
    }
    response = HttpResponse(render_to_string("shared/slip_state.html", values), status=status, headers=HEADERS)
    patch_vary_headers(response, ["Accept-Language"])
    return response
