"""The whole platform as real processes, for tests, on a database of its own in which everything is committed.

Nothing in here is a test's own version of the platform: `deploy.local.stack` starts it as an operator would.

Module-scoped fixture `live`: one listener, one worker group of two children, the sweeper, the insurers SANDBOX-A and
SANDBOX-B. A test that needs another shape makes its own: `with live_stack(...) as stack`.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from deploy.local.processes import Supervisor
from deploy.local.stack import Shape, Stack
from tests import servers
from tests.live_template import database_copied, database_drop, live_template

__all__ = ["Answer", "LiveStack", "Shape", "live", "live_stack", "live_template", "until"]

SCHEMES = {"SANDBOX-A": "310", "SANDBOX-B": "390", "SANDBOX-C": "340"}
REGION = "110000"
PATIENCE_SECONDS = 30.0
_numbers = itertools.count(1)


def until[Found](look: Callable[[], Found | None], *, seconds: float = PATIENCE_SECONDS, what: str = "it") -> Found:
    """What `look` returns as soon as that is true; fails the test after `seconds`."""
    give_up_at = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < give_up_at, f"{what} did not come within {seconds} seconds"
        time.sleep(0.05)
    return found


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def verdict(self) -> str:
        return str(self.body.get("verdict"))


class LiveStack(Stack):
    """A running platform with a hospital's side: wishes, answers, states."""

    def __init__(self, folder: Path, supervisor: Supervisor, shape: Shape) -> None:
        self.own_database = f"live_{os.environ[servers.SESSION]}_{os.getpid()}_{next(_numbers)}"
        super().__init__(folder, supervisor, shape, environment=servers.process_environment(self.own_database))

    def _take_database(self) -> None:
        database_copied(self.own_database)

    # The hospital's side ------------------------------------------------------------------------------------------

    def wish(
        self,
        his_no: str = "",
        *,
        insurer: str = "SANDBOX-A",
        ending: str = "1237",
        total_minor: int = 10000,
        **changes: Any,
    ) -> dict[str, Any]:
        """An invented patient's fee of one line. `ending` of the id number says what the insurer does with it."""
        his_no = his_no or f"L-{next(_numbers):06d}"
        return {
            "his_no": his_no,
            "operation": "settle",
            "person": {"id_type": "01", "id_no": f"11010119900101{ending}", "name": "张三"},
            "visit": {"visit_no": f"V-{his_no}", "kind": "outpatient"},
            "insurance": {"scheme": SCHEMES[insurer], "region": REGION},
            "items": [{"line_no": 1, "code": "XM0001", "name": "检查费", "quantity": "1", "amount_minor": total_minor}],
            "total_minor": total_minor,
            "wait_seconds": 10,
        } | changes

    def post(
        self,
        wish: Mapping[str, Any] | bytes,
        *,
        key: str | None = None,
        hospital: str = "HOSP-A",
        listener: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """POST transactions; `key` defaults to one made from the his_no. A body of bytes is sent as it is."""
        body = wish if isinstance(wish, bytes) else json.dumps(wish).encode()
        key = key or (secrets.token_hex(8) if isinstance(wish, bytes) else f"key-{wish['his_no']}")
        more = {"Content-Type": "application/json", "Idempotency-Key": key, **(headers or {})}
        return self.ask("POST", "transactions", body, hospital=hospital, listener=listener, headers=more)

    def get(self, his_no: str, *, hospital: str = "HOSP-A", listener: int = 0) -> Answer:
        return self.ask("GET", f"transactions/{his_no}", hospital=hospital, listener=listener)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        hospital: str = "HOSP-A",
        listener: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request under /api/his/v1/ with the hospital's key. Raises OSError, HTTPException."""
        address = urlsplit(self.base_urls[listener])
        all_headers = {"Authorization": f"Bearer {self.client_keys[hospital]}", **(headers or {})}
        with closing(http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)) as connection:
            connection.request(method, f"/api/his/v1/{path}", body, all_headers)
            answer = connection.getresponse()
            raw = answer.read()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, json.loads(raw))

    # Our side -----------------------------------------------------------------------------------------------------

    def state(self, his_no: str) -> str:
        found = self.rows("SELECT state FROM exchange_transaction WHERE his_no = %s", [his_no])
        return str(found[0][0]) if found else ""

    def wait_for(self, his_no: str, *states: str, seconds: float = PATIENCE_SECONDS) -> str:
        """The state of a transaction as soon as it is one of `states`; named none: as soon as it has been worked."""

        def look() -> str:
            state = self.state(his_no)
            return state if (state in states if states else state not in ("", "RECEIVED", "SENDING")) else ""

        return until(look, seconds=seconds, what=f"{his_no} in {states or 'an end'}")


@contextmanager
def live_stack(folder: Path, **shape: Any) -> Iterator[LiveStack]:
    """A running stack of the given Shape; `folder` keeps its logs. Everything is stopped and dropped at the end."""
    # pytest's folders are closed to others, and PostgreSQL may run as another account: it finds itself a home then.
    with Supervisor(folder / "logs", lambda _: None) as supervisor:
        stack = LiveStack(folder, supervisor, Shape(**shape))
        try:
            stack.start()
            yield stack
        finally:
            # A paused process would not hear that it shall end.
            for name in stack.processes:
                if stack.processes[name].process.poll() is None:
                    stack.resume(name)
            supervisor.stop()
            if not stack.shape.own_postgres:
                database_drop(stack.own_database)


@pytest.fixture(scope="module")
def live(live_template: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """The usual stack, one per test module. A file of tests runs in one process, so it starts once."""
    with live_stack(tmp_path_factory.mktemp("live")) as stack:
        yield stack
