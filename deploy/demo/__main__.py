"""`python -m deploy.demo [--story | --detach | --stop]`: the platform and three sandbox insurers on this machine.

PORT in the environment chooses the first of the two listeners' ports.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from deploy.demo.detached import record_supervisor, report_ready, start_detached, stop_detached
from deploy.demo.instance import Instance, PortTaken, choose_port, instance_folder
from deploy.demo.table import demo_table
from deploy.local.folders import ROOT, FolderInUse, claimed, fresh, remove
from deploy.local.processes import ProcessFailed, StopRequested, Supervisor, die_with_parent, stop_signals_raise


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description=__doc__)
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--story", action="store_true", help="play the stories on an instance of their own; stop it")
    ways.add_argument("--detach", action="store_true", help="return once everything answers and leave it running")
    ways.add_argument("--stop", action="store_true", help="stop what --detach started")
    ways.add_argument("--report-to", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    asked_port = os.environ.get("PORT") or None
    if asked_port and not (asked_port.isdecimal() and 1024 <= int(asked_port) < 65535):
        parser.error(f"PORT={asked_port}: give a number from 1024 to 65534")
    # make waits for us, and a make that is killed must not leave a demo behind.
    if "MAKELEVEL" in os.environ and options.report_to is None:
        die_with_parent(signal.SIGTERM, os.getppid())
    try:
        with stop_signals_raise():
            return _run(options, asked_port)
    except (ProcessFailed, PortTaken, FolderInUse) as error:
        print(error, file=sys.stderr)
        return 1
    except StopRequested as request:
        print(f"Stopped ({request}).")
        # Ctrl-C is how a demo in front is meant to end.
        return 0 if not (options.story or options.detach) else 130


def _run(options: argparse.Namespace, asked_port: str | None) -> int:
    if options.stop:
        return stop_detached(asked_port)
    if options.detach:
        return start_detached()
    port = choose_port(asked_port)
    if options.story:
        return _tell_story(port)
    with claimed(instance_folder(port)) as folder:
        _serve(folder, port, options.report_to)
    return 0


def _tell_story(port: int) -> int:
    """Play on an instance without a past, and forget it unless it failed: then its logs are worth reading."""
    with fresh("story") as folder:
        with Supervisor(folder / "logs") as supervisor:
            instance = Instance(folder, port, supervisor)
            instance.start()
            instance.publish()
            code = instance.play()
        if code == 0:
            remove(folder)
        else:
            print(f"The story ended with exit code {code}. Logs: {folder / 'logs'}", file=sys.stderr)
        return code


def _serve(folder: Path, port: int, report_to: int | None) -> None:
    """Run the instance until a signal stops it."""
    record_supervisor(folder, detached=report_to is not None)
    with Supervisor(folder / "logs") as supervisor:
        instance = Instance(folder, port, supervisor)
        instance.start()
        published = instance.publish()
        table = demo_table(instance.description, supervisor, profiles=instance.profiles)
        print(f"\n{table}\n\nThe same is in {published.relative_to(ROOT)}")
        if report_to is None:
            print("Ctrl-C stops everything.")
        else:
            print("It runs on: make demo-stop ends it.")
            report_ready(report_to, folder / "logs" / "supervisor.log")
        supervisor.watch()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
