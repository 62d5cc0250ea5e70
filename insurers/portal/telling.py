"""Refusals in the reader's language, and the page that says them."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext

from core.errors import Problem
from insurers.portal.reading import in_chinese
from portal.site import PortalSite


def problem_told(problem: Problem) -> tuple[str, str]:
    """Cause and remedy."""
    names = ("detail_zh", "fix_zh") if in_chinese() else ("detail", "fix")
    return problem.text(names[0]), problem.text(names[1])


def done_or_refused(
    site: PortalSite, request: HttpRequest, do: Callable[[], str], *, back: str, trace_id: str
) -> HttpResponse:
    """Do it and go back with the word that it was done, or say why not, who mends it and under which id."""
    try:
        word = do()
    except Problem as problem:
        cause, fix = problem_told(problem)
        context = {"cause": cause, "fix": fix, "trace_id": trace_id, "back": back}
        status = problem.status if problem.status < 500 else 409
        return site.show(request, "portals/insurer/refused.html", context, title=gettext("Not done"), status=status)
    messages.success(request, word)
    return HttpResponseRedirect(back)
