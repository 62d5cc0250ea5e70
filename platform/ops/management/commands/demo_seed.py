from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.clock import database_now
from exchange.services.interfaces import FLAGS, NUMBERS
from insurers.sandbox.profiles import PROFILES
from ops.services.demo import SandboxInsurer, demo_seed


class Command(BaseCommand):
    help = "Set up the demo's invented hospitals, insurers, routes, keys and logins, and write who they are."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--insurers", type=Path, required=True, help="JSON list of the sandbox insurers.")
        parser.add_argument("--docked", type=Path, help="JSON list of those whose systems decide on claims.")
        parser.add_argument("--out", type=Path, required=True, help="Where to write demo.json.")
        parser.add_argument("--base-url", action="append", help="Addresses of the listeners.")

    def handle(self, *args: Any, **options: Any) -> None:
        out: Path = options["out"]
        known = json.loads(out.read_text()) if out.exists() else {}
        insurers, docked = (_insurers(options[name]) for name in ("insurers", "docked"))
        world = demo_seed(insurers=insurers, docked=docked, known=known, now=database_now())
        addresses = options["base_url"] or known.get("base_urls") or ["http://127.0.0.1:8000", "http://127.0.0.1:8001"]
        description = {"base_url": addresses[0], "base_urls": addresses, **world}
        # Keys and passwords of the demo: for its owner's eyes.
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(description, file, ensure_ascii=False, indent=1)
        self.stdout.write(f"demo world written to {out}")


def _insurers(path: Path | None) -> list[SandboxInsurer]:
    entries = json.loads(path.read_text()) if path else []
    return [SandboxInsurer.of(entry, _capabilities(entry["profile"])) for entry in entries]


def _capabilities(profile: str) -> dict[str, Any]:
    """What the sandbox's profile keeps to, in the names of our grants."""
    known = PROFILES[profile]
    return {name: getattr(known, name) for name in sorted(FLAGS | NUMBERS) if hasattr(known, name)}
