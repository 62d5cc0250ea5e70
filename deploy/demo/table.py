"""The table that a started demo prints: what runs, where its logs are, who can log in where."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.local.processes import Supervisor


def demo_table(description: Path, supervisor: Supervisor, *, profiles: Mapping[str, str]) -> str:
    """The text. `description` is the demo.json of docs/his-api.md; `profiles` says which insurer plays which."""
    facts: dict[str, Any] = json.loads(description.read_text())
    base_url = str(facts["base_url"])
    processes = [(running.command.name, str(running.process.pid), str(running.log)) for running in supervisor.running]
    hospitals = [(h["code"], h["name"], h["client_key"]) for h in facts["hospitals"]]
    insurers = [(i["code"], profiles[i["code"]], i["scheme"], i["region"], i["control_url"]) for i in facts["insurers"]]
    logins = [(base_url + entry["portal"], *_login(entry)) for entry in facts["logins"]]
    sections = [
        _section("Processes", ("name", "pid", "log"), processes),
        _section("Hospitals", ("code", "name", "client key"), hospitals),
        _section("Insurers", ("code", "profile", "scheme", "region", "control"), insurers),
        _section("Logins", ("portal", "user", "password", "role", "organisation", "second factor"), logins),
        f"Listeners: {'  '.join(facts['base_urls'])}",
    ]
    return "\n\n".join(sections)


def _login(entry: dict[str, Any]) -> tuple[str, ...]:
    names = ("username", "password", "role", "organisation", "totp_secret")
    return tuple(str(entry.get(name) or "-") for name in names)


def _section(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    table = [head, *rows]
    widths = [max(_width(str(row[column])) for row in table) for column in range(len(head))]
    lines = ["  ".join(_pad(str(cell), width) for cell, width in zip(row, widths, strict=True)) for row in table]
    return "\n".join([title, *(f"  {line.rstrip()}" for line in lines)])


def _width(text: str) -> int:
    """Columns on a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
