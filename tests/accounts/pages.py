"""A few pages, as a portal has them, to try the middleware with."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.urls import path

from accounts.forms import StaffSignInForm
from accounts.models import User
from tests.roles import rows


def people(request: HttpRequest) -> HttpResponse:
    """Everybody whom the database shows, asked without any filter of our own."""
    names = [row[0] for row in rows("SELECT username FROM accounts_user ORDER BY username")]
    user = request.user.username if isinstance(request.user, User) else None
    return JsonResponse({"user": user, "people": names})


def people_streamed(request: HttpRequest) -> HttpResponseBase:
    def lines() -> Iterator[str]:
        for row in rows("SELECT username FROM accounts_user ORDER BY username"):
            yield f"{row[0]}\n"

    return StreamingHttpResponse(lines())


def write_and_raise(request: HttpRequest) -> HttpResponse:
    rows("UPDATE accounts_user SET display_name = 'half written'")
    raise ValueError("in the middle of it")


def write_and_fail(request: HttpRequest) -> HttpResponse:
    rows("UPDATE accounts_user SET display_name = 'half written'")
    return HttpResponse(status=503)


def write(request: HttpRequest) -> HttpResponse:
    rows("UPDATE accounts_user SET display_name = 'written'")
    return HttpResponse()


urlpatterns = [
    path("people", people),
    path("people.txt", people_streamed),
    path("raise", write_and_raise),
    path("fail", write_and_fail),
    path("write", write),
    path("sign-in", LoginView.as_view(authentication_form=StaffSignInForm, next_page="/people")),
]
