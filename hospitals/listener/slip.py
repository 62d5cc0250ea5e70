"""The slip of a pending transaction: a page to print for the patient, with a code that leads to its state."""

from __future__ import annotations

import asyncio
from datetime import datetime
from importlib.util import find_spec
from typing import Any
from zoneinfo import ZoneInfo

import segno
from django.conf import settings
from django.http import HttpResponse
from django.template.loader import render_to_string
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema

from accounts.services import KeyHolder
from accounts.states import Scope
from core.content_policy import lone_page_headers
from core.errors import NotFound, Problem
from core.money import Money
from core.pdf import PdfNotInstalled, pdf_of
from exchange.services.slips import SlipFacts, slip_give
from hospitals.listener import database
from hospitals.listener.api import HIS_NO_IN_PATH, HIS_NO_PARAMETER, ListenerView, in_order, problems
from hospitals.listener.database import Question

PDF, HTML = "application/pdf", "text/html"
STYLE = """
@page{size:80mm 180mm;margin:4mm}
body{margin:0;font:10.5pt/1.4 "PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif;color:#000;background:#fff}
main{max-width:72mm;margin:0 auto;padding:2mm}
header strong,header span,h1 span,p[lang]{display:block}
header{border-bottom:1px solid #000;padding-bottom:1.5mm}
h1{font-size:13pt;margin:2mm 0}
h1 span,p[lang],dt span,.foot span{font-size:8.5pt;font-weight:400}
p{margin:0 0 1.5mm}
.code{text-align:center;margin:2mm 0}
.code svg{width:42mm;height:42mm}
dl{display:grid;grid-template-columns:auto 1fr;gap:.6mm 3mm;margin:0 0 2mm}
dd{margin:0;overflow-wrap:anywhere;font-weight:600}
.foot{border-top:1px solid #000;padding-top:1.5mm}
"""
HEADERS = lone_page_headers(STYLE)


class NotAcceptable(Problem):
    code = "not_acceptable"
    status = 406
    title = "A slip is no such thing"
    detail = "A slip is text/html or application/pdf; asked for was {accept}."
    detail_zh = "凭条仅提供 text/html 或 application/pdf，请求的是 {accept}。"
    fix = "Send Accept: text/html, or application/pdf."
    fix_zh = "请使用 Accept: text/html 或 application/pdf。"


class SlipOfTransaction(ListenerView):
    @extend_schema(
        operation_id="transactions_slip",
        parameters=[HIS_NO_PARAMETER],
        responses={(200, HTML): OpenApiTypes.STR, (200, PDF): OpenApiTypes.BINARY}
        | problems(401, 403, 404, 405, 406, 408, 409, 413, 500, 503),
    )
    async def get(self, request: Any, holder: KeyHolder, his_no: str) -> HttpResponse:
        """A page to print for the patient of a pending bill: HTML, or PDF where `Accept` asks for it first."""
        holder.require(Scope.TRANSACTIONS_READ)
        kind = _kind(request.headers.get("Accept", ""))
        if not HIS_NO_IN_PATH.fullmatch(his_no):
            raise NotFound(noun="transaction", noun_zh="交易", key=his_no[:80])
        organisation_id = holder.organisation_id

        def ask(now: datetime) -> dict[str, Any]:
            return {"slip": slip_give(organisation_id=organisation_id, his_no=his_no, now=now)}

        try:
            facts: SlipFacts = (await database.questions.do(Question(organisation_id, ask)))["slip"]
        except Problem as problem:
            if problem.extra.get("transaction"):
                answer = await database.answers.do((organisation_id, his_no))
                problem.extra["transaction"] = in_order(answer)
            raise
        page = slip_page(facts, base_url=settings.PUBLIC_URL or request.build_absolute_uri("/"))
        content = await asyncio.to_thread(pdf_of, page) if kind == PDF else page.encode()
        # `text/html` alone would be read as Latin-1 by some.
        return HttpResponse(content, content_type=PDF if kind == PDF else "text/html; charset=utf-8", headers=HEADERS)


def slip_page(facts: SlipFacts, *, base_url: str) -> str:
    """The page to print. `base_url` is where patients reach profile `public`."""
    code = segno.make(f"{base_url.rstrip('/')}/s/{facts.token}", error="m")
    values = {
        "slip": facts,
        "amount": str(Money(facts.total_minor, facts.currency)) if facts.total_minor is not None else "",
        "received": facts.received_at.astimezone(ZoneInfo(facts.time_zone)),
        "code": code.svg_inline(omitsize=True),
        "style": STYLE,
    }
    return render_to_string("shared/slip_print.html", values)


def _kind(accept: str) -> str:
    """What of HTML and PDF the caller wants most. Raises NotAcceptable, PdfNotInstalled."""
    wanted = _preferences(accept) or ["*/*"]
    for media_type in wanted:
        if media_type == PDF:
            if find_spec("weasyprint") is None:
                raise PdfNotInstalled
            return PDF
        if media_type in (HTML, "text/*", "*/*"):
            return HTML
    raise NotAcceptable(accept=accept[:200])


def _preferences(accept: str) -> list[str]:
    """The media types of an Accept header, most wanted first; what is refused with q=0 is left out."""
    weighed: list[tuple[float, int, str]] = []
    for place, part in enumerate(accept[:1000].split(",")):
        media_type, *parameters = (word.strip().lower() for word in part.split(";"))
        weights = [word[2:] for word in parameters if word.startswith("q=")]
        try:
            weight = float(weights[0]) if weights else 1.0
        except ValueError:
            weight = 0.0
        if media_type and weight > 0:
            weighed.append((-weight, place, media_type))
    return [media_type for _, _, media_type in sorted(weighed)]
