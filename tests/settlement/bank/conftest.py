from collections.abc import Callable, Iterator

import pytest

from .process import SandboxBank, unused_folder


@pytest.fixture(scope="package")
def start_bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], SandboxBank]]:
    """Starts banks; those still running at the end are ended."""
    started: list[SandboxBank] = []

    def start_one() -> SandboxBank:
        started.append(SandboxBank(unused_folder(tmp_path_factory.getbasetemp())).start())
        started[-1].reset()
        return started[-1]

    yield start_one
    for bank in started:
        if bank.process.poll() is None:
            bank.kill()


@pytest.fixture(scope="package")
def running_bank(start_bank: Callable[[], SandboxBank]) -> SandboxBank:
    return start_bank()


@pytest.fixture
def bank(running_bank: SandboxBank) -> SandboxBank:
    """The same bank with an empty book but for the platform's account, and no faults."""
    running_bank.reset()
    return running_bank
