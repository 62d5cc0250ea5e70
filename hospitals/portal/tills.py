"""Which shift the person at this screen works in: asked once, remembered for the session, sent with what moves cash."""

from __future__ import annotations

from django.http import HttpRequest

from portal.site import term_of

SHIFT_CHARACTERS = 40
_KEY = "shift_no"


def shift_of(request: HttpRequest) -> str:
    """As it was named last; empty before."""
    return str(request.session.get(_KEY, ""))


def shift_remember(request: HttpRequest) -> str:
    """What the form says, kept for the next one."""
    named = term_of(request.POST.get("shift_no"))[:SHIFT_CHARACTERS]
    if named != shift_of(request):
        request.session[_KEY] = named
    return named
