"""A profile opens its own addresses only."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

from deploy.local import ports
from deploy.local.folders import ROOT
from deploy.local.processes import Command
from tests.live import LiveStack

HOSPITAL = ("/api/his/v1/transactions/A", "/api/his/v1/transactions", "/api/his/v1/openapi.json")
PORTAL = ("/hospital/", "/hospital/login/")
INSURERS = ("/insurer/", "/insurer/login/", "/api/spi/v1/decisions")
SLIP = f"/s/{'A' * 43}"


def status_at(port: int, path: str, key: str = "") -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as line:
        line.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        return line.getresponse().status


def has_slip_page(port: int) -> bool:
    """An unknown token is answered by the page itself, with its own policy; an unknown address is not."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as line:
        line.request("GET", SLIP)
        answer = line.getresponse()
        return answer.status == 404 and "default-src 'none'" in answer.headers.get("content-security-policy", "")


def listens(port: int) -> bool:
    try:
        return status_at(port, "/healthz") == 200
    except OSError:
        return False


@contextmanager
def listener(stack: LiveStack, profile: str, **environment: str) -> Iterator[int]:
    """The port of a listener of its own that runs with this profile and more of the environment."""
    port = ports.reserve_any()
    command = Command(
        name=f"listener-{profile}",
        arguments=[
            *(sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1"),
            *("--port", str(port), "--workers", "1", "config.asgi:application"),
        ],
        environment={**stack.environment, "MEDISETTLE_PROFILE": profile, **environment},
        folder=ROOT,
        ready=lambda: listens(port),
    )
    running = stack.supervisor.start(command)
    yield port
    running.process.terminate()
    running.process.wait(20)


def test_the_public_profile_knows_no_hospital(stack: LiveStack) -> None:
    with listener(stack, "public") as port:
        assert {path: status_at(port, path, stack.client_keys["HOSP-A"]) for path in HOSPITAL + PORTAL} == (
            dict.fromkeys(HOSPITAL + PORTAL, 404)
        )
        assert {path: status_at(port, path) for path in INSURERS} == dict(zip(INSURERS, (302, 200, 405), strict=True))
        assert has_slip_page(port)


def test_the_edge_profile_has_the_hospitals_door_and_no_portal(stack: LiveStack) -> None:
    with listener(stack, "edge") as port:
        assert {path: status_at(port, path) for path in HOSPITAL} == dict(zip(HOSPITAL, (401, 405, 200), strict=True))
        assert {path: status_at(port, path) for path in PORTAL + INSURERS} == dict.fromkeys(PORTAL + INSURERS, 404)
        assert not has_slip_page(port)


def test_the_core_profile_has_portals_and_no_door_for_hospitals(stack: LiveStack) -> None:
    with listener(stack, "core") as port:
        assert {path: status_at(port, path, stack.client_keys["HOSP-A"]) for path in HOSPITAL} == (
            dict.fromkeys(HOSPITAL, 404)
        )
        assert all(status_at(port, path) in (200, 302) for path in PORTAL)
        assert not has_slip_page(port)


def test_all_of_it_is_in_one_profile_for_the_demo(stack: LiveStack) -> None:
    with listener(stack, "all") as port:
        assert status_at(port, "/api/his/v1/openapi.json") == 200
        assert all(status_at(port, path) in (200, 302) for path in PORTAL)
        assert has_slip_page(port)
