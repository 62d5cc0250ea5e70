"""A small supervisor: start processes, wait until they answer, start again what dies, stop all in reverse order."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

POLL_SECONDS = 0.05
LOG_TAIL_LINES = 25
RESTART_WINDOW_SECONDS = 60.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ProcessFailed(Exception):
    """A process ended, or never answered; the message carries the tail of its log."""


class StopRequested(BaseException):
    """SIGINT, SIGTERM or SIGHUP arrived. Not an Exception, so that no probe swallows it."""


@dataclass(frozen=True)
class Account:
    """An account of the operating system that a process runs as."""

    user_id: int
    group_id: int


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run. `ready` is asked until it says True; `restarts_per_minute` is how often a death is forgiven."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    ready: Callable[[], bool] | None = None
    ready_seconds: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 20.0
    account: Account | None = None
    restarts_per_minute: int = 0


@dataclass
class Running:
    """A started process, its log, and when it was started and started again (monotonic seconds)."""

    command: Command
    process: subprocess.Popen[bytes]
    log: Path
    started_at: float = field(default_factory=time.monotonic)
    restarted_at: list[float] = field(default_factory=list)


def die_with_parent(signal_number: signal.Signals, parent_pid: int) -> None:
    """Have the kernel send `signal_number` to this process when the *thread* that started it ends (Linux only)."""
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal_number))
    # The parent may have died before the request was made: then nobody would ever send the signal.
    if os.getppid() != parent_pid:
        os._exit(1)


def log_tail(log: Path, lines: int = LOG_TAIL_LINES) -> str:
    """The last `lines` lines of a log."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"(no log: {error})"


@contextmanager
def stop_signals_raise() -> Iterator[None]:
    """Inside the block SIGINT, SIGTERM and SIGHUP raise StopRequested in the main thread."""
    # Under nohup the hang-up is ignored, and stays so.
    signals = [
        number for number in STOP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN or number == signal.SIGINT
    ]

    def stop(number: int, frame: FrameType | None) -> None:
        raise StopRequested(signal.Signals(number).name)

    before = {number: signal.signal(number, stop) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def spawn(command: Command, output: int | None) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, so that a Ctrl-C at the terminal reaches it only through us.

    Call it from a thread that lives as long as the process shall: see `die_with_parent`.
    """
    account = command.account
    parent_pid = os.getpid()
    return subprocess.Popen(
        list(command.arguments),
        env=dict(command.environment),
        cwd=command.folder,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        start_new_session=True,
        user=account.user_id if account else None,
        group=account.group_id if account else None,
        extra_groups=[] if account else None,
        preexec_fn=lambda: die_with_parent(command.stop_signal, parent_pid),
    )


def end(process: subprocess.Popen[bytes], stop_signal: signal.Signals, stop_seconds: float) -> None:
    """Ask the process to stop, and after `stop_seconds` kill it and what is left of its session."""
    if process.poll() is None:
        process.send_signal(stop_signal)
        try:
            process.wait(stop_seconds)
        except subprocess.TimeoutExpired:
            _kill_group(process.pid)
            process.wait()
    # Its children share its process group: a server killed from outside must not leave them behind.
    _kill_group(process.pid)


def _kill_group(process_id: int) -> None:
    try:
        os.killpg(process_id, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


class Supervisor:
    """Processes in the order of their start, one log each in `log_folder`. Use it as a context manager."""

    def __init__(self, log_folder: Path, say: Callable[[str], None] = print) -> None:
        self.log_folder = log_folder
        self.running: list[Running] = []
        self._say = say
        log_folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self, command: Command, *, wait: bool = True) -> Running:
        """Start `command` and, with `wait`, return when it answers. Raises ProcessFailed."""
        log = self.log_folder / f"{command.name}.log"
        with log.open("wb") as output:
            running = Running(command, spawn(command, output.fileno()), log)
        self.running.append(running)
        if wait:
            self.wait_until_ready(running)
        return running

    def wait_until_ready(self, running: Running) -> None:
        """Return when the process answers its probe. Raises ProcessFailed when it ended or took too long."""
        command = running.command
        deadline = time.monotonic() + command.ready_seconds
        while command.ready is not None and not command.ready():
            code = running.process.poll()
            if code is not None:
                raise ProcessFailed(self._obituary(running, f"ended with {_describe(code)} before it was ready"))
            if time.monotonic() > deadline:
                raise ProcessFailed(
                    self._obituary(running, f"did not answer within {command.ready_seconds:.0f} seconds")
                )
            time.sleep(POLL_SECONDS)

    def run(self, command: Command, limit_seconds: float = 600.0) -> None:
        """Run `command` to its end with its output in the log. Raises ProcessFailed unless it returns 0."""
        running = self.start(command, wait=False)
        try:
            code = running.process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            raise ProcessFailed(self._obituary(running, f"took more than {limit_seconds:.0f} seconds")) from None
        self.running.remove(running)
        if code != 0:
            raise ProcessFailed(self._obituary(running, f"ended with {_describe(code)}"))

    def run_in_front(self, command: Command) -> int:
        """Run `command` to its end with its output on ours; watch the others meanwhile. Returns its exit code."""
        process = spawn(command, None)
        try:
            while process.poll() is None:
                self.check()
                time.sleep(POLL_SECONDS)
        finally:
            end(process, command.stop_signal, command.stop_seconds)
        return process.returncode

    def confirm(self, lived_seconds: float) -> None:
        """Return when every process has lived `lived_seconds`: for those that answer no probe. Raises ProcessFailed."""
        for running in self.running:
            try:
                code = running.process.wait(max(0.0, running.started_at + lived_seconds - time.monotonic()))
            except subprocess.TimeoutExpired:
                continue
            raise ProcessFailed(self._obituary(running, f"ended with {_describe(code)}"))

    def check(self) -> None:
        """Start again what has died. Raises ProcessFailed for a process that dies more often than forgiven."""
        for running in self.running:
            code = running.process.poll()
            if code is not None:
                self._start_again(running, code)

    def watch(self) -> None:
        """Keep everything running until StopRequested or ProcessFailed is raised."""
        while True:
            self.check()
            time.sleep(POLL_SECONDS * 4)

    def restart(self, running: Running) -> None:
        """End one process and start it again where it was: same port, same folder, same log."""
        end(running.process, running.command.stop_signal, running.command.stop_seconds)
        self._spawn_again(running)

    def stop(self) -> None:
        """Stop everything, last started first. A second Ctrl-C cannot interrupt it."""
        before = {number: signal.signal(number, signal.SIG_IGN) for number in STOP_SIGNALS}
        try:
            while self.running:
                running = self.running.pop()
                end(running.process, running.command.stop_signal, running.command.stop_seconds)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _start_again(self, running: Running, code: int) -> None:
        now = time.monotonic()
        running.restarted_at = [at for at in running.restarted_at if now - at < RESTART_WINDOW_SECONDS]
        if len(running.restarted_at) >= running.command.restarts_per_minute:
            raise ProcessFailed(self._obituary(running, f"ended with {_describe(code)}"))
        running.restarted_at.append(now)
        self._say(f"{running.command.name} ended with {_describe(code)}: it is started again")
        _kill_group(running.process.pid)
        self._spawn_again(running)

    def _spawn_again(self, running: Running) -> None:
        with running.log.open("ab") as output:
            running.process = spawn(running.command, output.fileno())
        self.wait_until_ready(running)

    def _obituary(self, running: Running, what: str) -> str:
        return f"{running.command.name} {what}. The end of {running.log}:\n{log_tail(running.log)}"


def _describe(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
