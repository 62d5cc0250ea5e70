"""The ASGI application: hospitals' programs go to the listener's own handler, everything else to Django's."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("MEDISETTLE_DB_ROLE", "app")

import django

django.setup()

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler  # noqa: E402

from config.pages import PagesHandler  # noqa: E402
from hospitals.listener.handler import PREFIX, ListenerHandler  # noqa: E402

listener = ListenerHandler()
pages = ASGIStaticFilesHandler(PagesHandler())


async def application(scope, receive, send):  # type: ignore[no-untyped-def]
    """Dispatch by path. The lifespan protocol belongs to the listener: it has threads to start and to end."""
    if scope["type"] == "lifespan":
        await listener.lifespan(receive, send)
    elif scope["type"] == "http" and scope["path"].startswith(PREFIX):
        await listener(scope, receive, send)
    else:
        await pages(scope, receive, send)
