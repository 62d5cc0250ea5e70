"""`python -m chaos --count N --seed S`: the platform under load and blows, and the proof that every book agrees.

Exit code 0: nothing is wrong; 1: the report names what is; 2: the run itself failed.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Any

from chaos.checker import Difference, check
from chaos.figures import IN_TIME_SHARE, figures
from chaos.plan import ACTS, FAULTY_SHARE
from chaos.report import report_of, write
from chaos.run import Orders, Run
from deploy.local.folders import ROOT, VAR, fresh, remove
from deploy.local.processes import ProcessFailed, StopRequested, Supervisor, die_with_parent, stop_signals_raise

MOST = 1_000_000
# Below these numbers a share says nothing.
ENOUGH_DOUBTS, ENOUGH_TRANSACTIONS = 100, 400
# More would be a platform that gives up: insurers here refuse about one reversal in fifty.
MOST_WITH_A_PERSON_SHARE = 0.02
FORMS: dict[str, dict[str, Any]] = {
    "short": {
        **{"tills": 48, "visits_per_second": 12.0, "blow_seconds": 4.0},
        **{"postgres_kills": [0.5], "quiet_seconds": 17.0},
    },
    "long": {
        **{"tills": 224, "visits_per_second": 12.0, "blow_seconds": 8.0},
        **{"postgres_kills": [0.33, 0.66], "quiet_seconds": 65.0},
    },
}


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    orders = Orders(
        seed=options.seed,
        count=options.count,
        without=tuple(options.without),
        faulty_share=options.faulty_share,
        calm=options.calm,
        **{name: getattr(options, name) or value for name, value in FORMS[options.form].items()},
    )
    # make waits for us, and a make that is killed must not leave a platform behind.
    if "MAKELEVEL" in os.environ:
        die_with_parent(signal.SIGTERM, os.getppid())
    try:
        with stop_signals_raise(), fresh("chaos") as folder:
            return _run(folder, orders, options)
    except ProcessFailed as error:
        print(error, file=sys.stderr)
        return 2
    except StopRequested as request:
        print(f"Stopped ({request}).", file=sys.stderr)
        return 130


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--count", type=int, default=5000, help="wishes to make")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--form", choices=FORMS, default="long", help="how hard it is loaded and broken")
    parser.add_argument("--tills", type=int, help="visits at once")
    parser.add_argument("--visits-per-second", type=float, help="no more new visits than this")
    parser.add_argument("--faulty-share", type=float, default=FAULTY_SHARE, help="share of money calls with a fault")
    parser.add_argument("--calm", action="store_true", help="faults, but no blows to processes")
    parser.add_argument("--without", nargs="*", choices=ACTS, default=[], help="what nobody does in this run")
    parser.add_argument("--out", type=Path, default=VAR / "proof", help="folder of the report")
    parser.add_argument("--keep", action="store_true", help="keep logs and notebook also when all is well")
    options = parser.parse_args(arguments)
    if not 1 <= options.count <= MOST or not 0 <= options.faulty_share <= 1:
        parser.error(f"1 to {MOST} wishes, a share from 0 to 1")
    for name in {name for form in FORMS.values() for name in form} - set(vars(options)):
        setattr(options, name, None)
    return options


def _run(folder: Path, orders: Orders, options: argparse.Namespace) -> int:
    with Supervisor(folder / "logs", print) as supervisor:
        run = Run(folder, supervisor, orders, print)
        print(f"Starting the platform for {orders.count} wishes, seed {orders.seed}")
        facts = run.play()
    numbers = figures(facts, seed=orders.seed, share=orders.faulty_share)
    differences = [*check(facts), *_shares(numbers)]
    report = report_of(orders, run.course, numbers, differences)
    page = write(report, options.out, f"chaos-seed{orders.seed}-n{orders.count}")
    shown = page.resolve().relative_to(ROOT) if page.resolve().is_relative_to(ROOT) else page
    print(f"\n{report['says']}. {len(differences)} differences. Report: {shown}")
    for difference in differences[:20]:
        print(f"  {difference.promise}: {difference.subject}: {difference.says}")
    if not differences and not options.keep:
        remove(folder)
    else:
        print(f"Logs and notebook: {folder}")
    return 1 if differences else 0


def _shares(numbers: dict[str, Any]) -> list[Difference]:
    """Doubts end in time, and by themselves but for few: shares, so they are judged over many."""
    seconds, found = numbers["seconds_in_doubt"], []
    if seconds["times"] >= ENOUGH_DOUBTS and seconds["in_time_share"] < IN_TIME_SHARE:
        says = f"only {seconds['in_time_share']:.2%} ended within {seconds['in_time_seconds']} s"
        found.append(Difference("everything ends", "", says))
    share = numbers["with_a_person_share"]
    if numbers["transactions"] >= ENOUGH_TRANSACTIONS and share > MOST_WITH_A_PERSON_SHARE:
        found.append(Difference("everything ends", "", f"{share:.2%} wait for a person"))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
