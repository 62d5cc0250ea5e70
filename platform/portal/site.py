"""The shell that every staff portal shares: who may enter, the menu, the banner, languages, and what scripts may run.

A portal subclasses PortalSite and gives its pages; no model is registered, so there is no raw form to reach.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from time import monotonic
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, path, re_path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods
from unfold.dataclasses import Favicon, SearchResult
from unfold.sites import UnfoldAdminSite

from accounts.models import User
from accounts.states import OrganisationKind, Role
from portal.forms import SignInForm
from portal.labels import label

Text = str | Promise
Page = Callable[..., HttpResponse]
SEARCH_RESULTS = 20
READING = ("GET", "HEAD")
WRITING = (*READING, "POST")
TERM_CHARACTERS = 80
# Alpine, which the shell is built with, compiles expressions: hence unsafe-eval, on staff sites only. Its theme is a
# style element. Nothing is fetched from anywhere else.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ENVIRONMENTS: dict[str, tuple[Text, str]] = {
    "demo": (_("Demonstration: no real money moves here"), "warning"),
    "test": (_("Test installation: no real money moves here"), "info"),
}


@dataclass(frozen=True, slots=True)
class MenuItem:
    """A line of the side bar. `icon` is a name of Material Symbols, which the shell brings along."""

    title: Text
    url_name: str
    icon: str


class PortalSite(UnfoldAdminSite):
    """A portal. Subclasses say which roles of which kind of organisation enter, the menu, and the pages."""

    roles: ClassVar[Sequence[Role]] = ()
    kinds: ClassVar[Sequence[OrganisationKind]] = ()
    title: ClassVar[Text] = "MediSettle"
    symbol: ClassVar[str] = "account_balance"
    primary: ClassVar[dict[str, str]] = {}
    menu: ClassVar[Sequence[MenuItem]] = ()
    login_form = SignInForm
    login_template = "portals/shared/login.html"
    index_template = None

    def pages(self) -> list[URLPattern]:
        """The portal's own addresses, made with `page_path`; one of them is named `index`."""
        raise NotImplementedError

    def search_results(self, request: HttpRequest, term: str) -> list[SearchResult]:
        """What the command palette finds. Goes through selectors like every page."""
        return []

    def page_path(self, address: str, page: Page, name: str, *, methods: Sequence[str] = READING) -> URLPattern:
        """An address of a page `page(site, request, **captured)` for people of this portal only."""

        def view(request: HttpRequest, **captured: Any) -> HttpResponse:
            return page(self, request, **captured)

        return path(address, self.admin_view(require_http_methods(list(methods))(view)), name=name)

    # Who may enter ------------------------------------------------------------------------------------------------

    def has_permission(self, request: HttpRequest) -> bool:
        user = request.user
        return isinstance(user, User) and user.has_role(*self.roles) and user.organisation.kind in self.kinds

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Django's; a person who has a language set and has chosen none on this device gets it."""
        response: HttpResponse = super().login(request, extra_context)
        language = getattr(request.user, "language", "")
        chosen = settings.LANGUAGE_COOKIE_NAME in request.COOKIES
        if response.status_code == 302 and language in dict(settings.LANGUAGES) and not chosen:
            response.set_cookie(settings.LANGUAGE_COOKIE_NAME, language, samesite="Lax", secure=request.is_secure())
        return response

    # Addresses ----------------------------------------------------------------------------------------------------

    def address(self, name: str) -> str:
        """The path of a page of this portal that needs nothing but its name."""
        return reverse(f"{self.name}:{name}")

    def get_urls(self) -> list[URLResolver | URLPattern]:
        """Only what this shell has: none of Django's model, shortcut or autocomplete addresses."""
        return [
            path("login/", guarded(self.login), name="login"),
            path("logout/", guarded(self.logout), name="logout"),
            path("search/", self.admin_view(self.search), name="search"),
            *self.pages(),
            re_path(r"^.*$", self.admin_view(self.nothing_here)),
        ]

    def admin_view(self, view: Page, cacheable: bool = False) -> Page:
        """People of this portal only, in their organisation's time zone, under the staff sites' policy."""

        @wraps(view)
        def in_their_zone(request: HttpRequest, **captured: Any) -> HttpResponse:
            assert isinstance(request.user, User)  # noqa: S101 - has_permission let nobody else in
            with timezone.override(ZoneInfo(request.user.organisation.time_zone)):
                return view(request, **captured)

        return guarded(super().admin_view(in_their_zone, cacheable))

    def nothing_here(self, request: HttpRequest) -> HttpResponse:
        return self.missing(request, gettext("There is no page at this address."))

    def missing(self, request: HttpRequest, explanation: str) -> HttpResponse:
        """404 in the shell: what is missing may not exist or may be somebody else's, and the page does not tell."""
        return self.show(
            request, "portals/shared/missing.html", {"explanation": explanation}, title=gettext("Not found"), status=404
        )

    def show(
        self, request: HttpRequest, template: str, context: dict[str, Any], *, title: Text, status: int = 200
    ) -> HttpResponse:
        """A page in the shell, rendered at once: inside the time zone and the database transaction of the request."""
        context = {**self.each_context(request), "title": title, **context}
        return render(request, template, context, status=status)

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The command palette. Nothing is cached: what one person found is nobody else's."""
        term = term_of(request.GET.get("s"))
        if not term:
            return HttpResponse()
        began = monotonic()
        results = self.search_results(request, term)[:SEARCH_RESULTS]
        pages = Paginator(results, SEARCH_RESULTS)
        context = {"search_term": term, "results": pages.page(1), "page_obj": pages, "page_counter": 0}
        context["execution_time"] = monotonic() - began
        response = render(request, "unfold/helpers/command_results.html", context)
        response.headers["HX-Trigger"] = "search"
        return response

    # The look -----------------------------------------------------------------------------------------------------

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        # The shell's templates reverse `admin:…`; this makes that mean this portal.
        request.current_app = self.name
        context: dict[str, Any] = super().each_context(request)
        banner = ENVIRONMENTS.get(settings.ENVIRONMENT)
        context |= {
            "site_title": self.title,
            "site_header": self.title,
            "site_symbol": self.symbol,
            "site_url": None,
            "styles": [static("portal/portal.css")],
            "scripts": [static("portal/portal.js")],
            "site_favicons": [Favicon(href=static("portal/icon.svg"), rel="icon", type="image/svg+xml")],
            "account_links": [],
            "environment_banner": banner,
            "languages": settings.LANGUAGES,
        }
        if self.primary:
            context["colors"]["primary"] = self.primary
        if self.has_permission(request) and isinstance(request.user, User):
            organisation = request.user.organisation
            name = organisation.name_zh if request_language(request).startswith("zh") else organisation.name
            roles = ", ".join(str(label("role", role)) for role in Role if request.user.has_role(role))
            context["site_subheader"] = name
            # Without any link the shell would offer a change of password, which has no page yet.
            context["account_links"] = [{"title": roles, "link": reverse(f"{self.name}:index")}]
        return context

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        return []

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        items = []
        for item in self.menu:
            link = reverse(f"{self.name}:{item.url_name}")
            at_home = item.url_name == "index"
            active = request.path == link if at_home else request.path.startswith(link)
            items.append(
                {"title": item.title, "icon": item.icon, "link": link, "active": active, "has_permission": True}
            )
        return [{"title": None, "items": items}]


def guarded(view: Page) -> Page:
    """The view under the staff sites' content security policy; its pages stay out of shared caches."""

    @wraps(view)
    def with_policy(request: HttpRequest, **captured: Any) -> HttpResponse:
        response = view(request, **captured)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Cache-Control"] = "private, no-store"
        return response

    return with_policy


def term_of(text: str | None) -> str:
    """A search term as people paste it: without control characters and spaces around, at most TERM_CHARACTERS."""
    return re.sub(r"[\x00-\x1f\x7f]", "", text or "").strip()[:TERM_CHARACTERS]


def request_language(request: HttpRequest) -> str:
    return str(getattr(request, "LANGUAGE_CODE", settings.LANGUAGE_CODE))
