"""A sandbox insurer of the bench: somebody else's process, with a secret shared with us and a control port."""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from deploy.demo.instance import answers
from deploy.local import ports
from deploy.local.folders import ROOT, write_private
from deploy.local.processes import Command


class Sandbox:
    """One insurer at one address; its book is empty at each start."""

    def __init__(self, folder: Path, code: str, profile: str) -> None:
        self.folder, self.code, self.profile = folder, code, profile
        self.port = ports.reserve_any()
        self.key = {"key_id": "k1", "secret": base64.b64encode(secrets.token_bytes(32)).decode()}
        self.secret_file = folder / f"{code}.secret.json"
        write_private(self.secret_file, json.dumps(self.key))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def control_url(self) -> str:
        return f"{self.url}/_control"

    def entry(self) -> dict[str, str]:
        """What `demo_seed` is told of it."""
        names = {"code": self.code, "profile": self.profile, "url": self.url, "control_url": self.control_url}
        return {**names, **self.key}

    def command(self, run: str) -> Command:
        """Its process, with the book of `run`. It gets neither our keys nor the way to our database."""
        options = {
            "--code": self.code,
            "--port": str(self.port),
            "--book": str(self.folder / f"book-{self.code}-{run}.sqlite3"),
            "--secret-file": str(self.secret_file),
            "--profile": self.profile,
        }
        return Command(
            name=f"insurer-{self.code.lower()}",
            arguments=[sys.executable, "-m", "insurers.sandbox", *(word for pair in options.items() for word in pair)],
            environment={name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            folder=ROOT,
            ready=lambda: answers(f"{self.control_url}/book"),
        )

    def control(self, name: str, content: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Steer it; without a content only read (insurers/sandbox/README.md)."""
        body = None if content is None else json.dumps(content).encode()
        with urlopen(Request(f"{self.control_url}/{name}", data=body), timeout=30) as answer:
            told: dict[str, Any] = json.load(answer)
        return told

    def settled(self) -> tuple[int, int]:
        """How many settlements stand in its book, and how much of them is the fund's, minor units."""
        totals = self.control("book")["totals"]
        return int(totals["count"]), int(totals["settled_fund_minor"])
