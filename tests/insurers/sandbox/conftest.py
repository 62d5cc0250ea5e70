from collections.abc import Callable, Iterator

import pytest

from .process import Sandbox, unused_folder


@pytest.fixture(scope="package")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Sandbox]]:
    """Starts insurers; those still running at the end are ended."""
    started: list[Sandbox] = []

    def start_one(profile: str = "all_capabilities", *more: str) -> Sandbox:
        started.append(Sandbox(unused_folder(tmp_path_factory.getbasetemp(), profile), profile, more).start())
        return started[-1]

    yield start_one
    for sandbox in started:
        if sandbox.process.poll() is None:
            sandbox.kill()


@pytest.fixture(scope="package")
def running(start: Callable[..., Sandbox]) -> Sandbox:
    """One insurer with all capabilities for the whole package."""
    return start()


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    """The same insurer with an empty book and no faults."""
    running.control("reset", {})
    return running
