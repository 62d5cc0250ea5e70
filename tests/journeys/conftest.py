"""A real server on the test's database and a real Chromium in front of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from deploy.local.ports import reserve_any
from tests.world import ROOT, World, settled_world

__all__ = ["settled_world"]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SCREENSHOTS = ROOT / "var" / "screenshots"
START_SECONDS = 60.0
STOP_SECONDS = 15.0


@pytest.fixture
def site_url(settled_world: World, process_environment: dict[str, str]) -> Iterator[str]:
    """The address of a server process that works as role app on the settled world."""
    yield from serving(process_environment)


def serving(process_environment: dict[str, str]) -> Iterator[str]:
    """The address of a server process on the test's database, for as long as the caller goes on."""
    port = reserve_any()
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**process_environment, "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}"}
    command += ["config.asgi:application"]
    # A session of its own: should it not end when asked, its workers are ended with it.
    server = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/healthz", server)
        yield url
    finally:
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(STOP_SECONDS)


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            assert server.poll() is None, f"the server ended with {server.returncode}"
            assert time.monotonic() < give_up_at, "the server does not answer"
            time.sleep(0.1)


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """Chromium. Playwright keeps an event loop in this thread, in which Django would refuse the fixtures' queries."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium fonts-noto-cjk")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Watch:
    """What the browser complained of, and what it asked of other hosts: both must stay empty."""

    def __init__(self, page: Page, site_url: str) -> None:
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "request", lambda one: None if one.url.startswith((site_url, "data:")) else self.foreign.append(one.url)
        )


def picture(page: Page, name: str) -> Path:
    """A picture of the whole page, for people to look at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path
