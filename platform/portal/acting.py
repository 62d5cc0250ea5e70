"""What the pages of every staff portal share when somebody acts: who it is, the way back, and the refusal in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language, gettext

from core.errors import Problem
from portal.labels import Text
from portal.site import PortalSite

if TYPE_CHECKING:
    from accounts.models import User


@dataclass(frozen=True, slots=True)
class Button:
    """An act that opens its dialog; with `why_not` it is off and says why."""

    act: str
    title: Text
    link: str
    why_not: Text
    main: bool = False


def reader(request: HttpRequest) -> User:
    """The person who asks; the site has let nobody else in."""
    assert request.user.is_authenticated  # noqa: S101
    return request.user


def in_chinese() -> bool:
    return (get_language() or "").startswith("zh")


def address_with(parameters: Mapping[str, Any], **changes: str) -> str:
    """The query string of `parameters` with `changes`, without what is empty."""
    merged = {**parameters, **changes}
    return "?" + urlencode({name: value for name, value in merged.items() if value})


def back_of(site: PortalSite, wanted: str, otherwise: str) -> str:
    """The page of this portal to return to; anything else in the form leads to `otherwise`."""
    inside = wanted.startswith(site.address("index")) and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if inside else otherwise


def problem_told(problem: Problem) -> tuple[Text, Text]:
    """Cause and remedy in the reader's language."""
    ending = "_zh" if in_chinese() else ""
    return problem.text(f"detail{ending}"), problem.text(f"fix{ending}")


def refused(
    site: PortalSite,
    request: HttpRequest,
    told: tuple[Text, Text],
    status: int,
    context: Mapping[str, Any],
    *,
    template: str = "portals/shared/refused.html",
) -> HttpResponse:
    """The page that says why not: `told` is cause and remedy, `context` has `back`, `trace_id` and what else it shows.

    A fault of the server is not the page's: from 500 on `status` becomes 409.
    """
    shown = {"cause": told[0], "fix": told[1], **context}
    return site.show(request, template, shown, title=gettext("Not done"), status=status if status < 500 else 409)


def done_or_refused(
    site: PortalSite,
    request: HttpRequest,
    do: Callable[[], str],
    *,
    back: str,
    trace_id: str,
    refuse: Callable[[Problem], HttpResponse] | None = None,
) -> HttpResponse:
    """Do it and go back with the word that it was done, or say why not, who mends it and under which id."""
    try:
        word = do()
    except Problem as problem:
        if refuse is not None:
            return refuse(problem)
        return refused(site, request, problem_told(problem), problem.status, {"back": back, "trace_id": trace_id})
    messages.success(request, word)
    return HttpResponseRedirect(back)


def version_of(values: Mapping[str, Any]) -> int:
    """The version that a form was shown with; -1, which no row has, for nonsense."""
    text = str(values.get("version", ""))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
