"""Readers of the environment. They stop on nonsense with the variable's name: a wrong setting must not start."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, default)
    if value is None or value == "":
        raise ImproperlyConfigured(f"{name} is not set. docs/settings.md says what it is.")
    return value


def choice(name: str, choices: Sequence[str], default: str) -> str:
    value = text(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} is {value!r}: it must be one of {', '.join(choices)}.")
    return value


def number(name: str, default: float, *, at_least: float = 0) -> float:
    raw = os.environ.get(name) or str(default)
    try:
        value = float(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {raw!r}: it must be a number.") from None
    if not value >= at_least:
        raise ImproperlyConfigured(f"{name} is {raw}: it must be at least {at_least}.")
    return value


def address(name: str) -> str:
    """An http or https address without query; empty when it is not set."""
    value = os.environ.get(name, "")
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment):
        raise ImproperlyConfigured(f"{name} is {value!r}: it must look like https://host or https://host/path.")
    return value


def words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def master_keys(name: str) -> list[tuple[str, bytes]]:
    """`id:base64` pairs of 32-byte keys, the current one first."""
    keys = []
    for item in words(name):
        key_id, _, encoded = item.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not key_id or len(key) != 32:
            raise ImproperlyConfigured(f"{name}: {key_id or 'a key'} is not `id:base64 of 32 bytes`.")
        keys.append((key_id, key))
    if not keys:
        raise ImproperlyConfigured(f"{name} is not set. docs/settings.md says what it is.")
    return keys


def database(name: str, fallback: str) -> dict[str, str]:
    """Django's connection parameters from a URL `postgresql://user:password@host:port/name`."""
    url = os.environ.get(name) or text(fallback)
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise ImproperlyConfigured(f"{name} must look like postgresql://user:password@host:port/name.")
    return {
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or 5432),
    }
