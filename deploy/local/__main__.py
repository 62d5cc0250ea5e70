"""`python -m deploy.local run [--folder FOLDER] -- COMMAND ...`: run a command beside servers of its own."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from deploy.local.folders import VAR, FolderInUse, claimed, is_claimed, sweep, temporary
from deploy.local.processes import Command, ProcessFailed, StopRequested, Supervisor, stop_signals_raise
from deploy.local.servers import new_keys, start_servers


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    run = actions.add_parser("run", help="start PostgreSQL and Valkey, run COMMAND with their environment, stop them")
    run.add_argument("--folder", type=Path, help="keep the data here and use them again; default: thrown away")
    run.add_argument("command", nargs="+", metavar="COMMAND")
    actions.add_parser("clean", help="remove the folders of instances that no longer run, and var/demo.json")
    options = parser.parse_args(arguments)
    if options.action == "clean":
        sweep("*")
        # It describes the demo started last; of one that still runs its folder is still there.
        if not any(is_claimed(folder) for folder in (*VAR.glob("demo-*"), *VAR.glob("story-*"))):
            (VAR / "demo.json").unlink(missing_ok=True)
        return 0
    folder: AbstractContextManager[Path] = claimed(options.folder.resolve()) if options.folder else temporary("run")
    try:
        with stop_signals_raise(), folder as home:
            return _run(options.command, home, durable=options.folder is not None)
    except (ProcessFailed, FolderInUse) as error:
        print(error, file=sys.stderr)
        return 1
    except StopRequested:
        return 130


def _run(command: list[str], folder: Path, *, durable: bool) -> int:
    with Supervisor(folder / "logs") as supervisor:
        servers = start_servers(supervisor, folder, durable=durable)
        # Keys and kind of instance that are set already win; the servers' addresses are the ones just started.
        defaults = {"MEDISETTLE_ENV": "test", **new_keys()}
        environment = {**defaults, **os.environ, **servers.environment()}
        return supervisor.run_in_front(
            Command(name="command", arguments=command, environment=environment, folder=Path.cwd())
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
