"""A signed-in person's request is one database transaction that sees the rows of his organisations and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from accounts.models import User
from core.row_security import seen_by

_FAILED = "_row_security_failed"


class RowSecurityMiddleware:
    """Stands after sessions and before AuthenticationMiddleware, which then takes the user found here.

    Nobody signed in: no transaction; role app then sees no organisation's row anyway. The transaction is rolled back
    when the view raises, whatever page that becomes. A streamed answer is read in a transaction of its own, as this one
    is over when the server begins to send; an asynchronous stream gets none and sees nothing.
    """

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        user = _signed_in(request)
        if user is None:
            return self.get_response(request)
        with seen_by(user.organisations_seen):
            response = self.get_response(request)
            if getattr(request, _FAILED, False) or response.status_code >= 500:
                transaction.set_rollback(True)
        if isinstance(response, StreamingHttpResponse) and not response.is_async:
            response.streaming_content = _streamed(cast(Iterator[bytes], response.streaming_content), user)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Only remembered: the page that tells of the error may still have to read."""
        setattr(request, _FAILED, True)


def _signed_in(request: HttpRequest) -> User | None:
    # Without the cookie nothing is read: public pages and health checks do not touch the database here.
    if settings.SESSION_COOKIE_NAME not in request.COOKIES or SESSION_KEY not in request.session:
        return None
    user = get_user(request)
    request._cached_user = user  # type: ignore[attr-defined]
    return user if isinstance(user, User) else None


def _streamed(content: Iterator[bytes], user: User) -> Iterator[bytes]:
    with seen_by(user.organisations_seen):
        yield from content
