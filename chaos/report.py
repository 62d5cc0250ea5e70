"""What a run proved, as JSON and as a page for people."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.usage import machine, revision
from chaos.checker import Difference, promises
from chaos.figures import IN_TIME_SECONDS, IN_TIME_SHARE, bound
from chaos.run import Course, Orders

SHOWN = 50
_VISIT = re.compile(r"\d{6}")


def report_of(
    orders: Orders, course: Course, figures: Mapping[str, Any], differences: Sequence[Difference]
) -> dict[str, Any]:
    """The whole report as plain values."""
    return {
        **revision(),
        "machine": machine(),
        "orders": asdict(orders),
        "course": asdict(course),
        "figures": dict(figures),
        "differences": [asdict(one) for one in differences],
        "says": bound(broken_visits(differences), int(figures["transactions"])),
        "holds": not differences,
    }


def broken_visits(differences: Sequence[Difference]) -> int:
    """How many visits something is wrong with: one wrong fee shows in its wish, its bill, the list and the ledger.

    Wishes, visits and bills all carry the number of their visit.
    """
    numbers = [_VISIT.search(one.subject) for one in differences]
    return len({found[0] if found else one.subject for found, one in zip(numbers, differences, strict=True)})


def write(report: Mapping[str, Any], folder: Path, name: str) -> Path:
    """`name`.json and `name`.md in `folder`; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    page = folder / f"{name}.md"
    page.write_text(page_of(report))
    return page


def page_of(report: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    orders, course, figures = report["orders"], report["course"], report["figures"]
    seconds, with_a_person = figures["seconds_in_doubt"], sum(figures["with_a_person"].values())
    changed = " (with changes that are not committed)" if report["changed"] else ""
    in_time = f"{seconds['in_time_share']:.2%} within {IN_TIME_SECONDS:.1f} s (hold {IN_TIME_SHARE:.0%})"
    lines = [
        f"# Chaos run, seed {orders['seed']}, {figures['transactions']} transactions",
        "",
        f"**{'Every promise was kept' if report['holds'] else 'Promises were broken'}: {report['says']}.**",
        "",
        f"Commit `{report['commit']}`{changed}, {report['at']}, {report['machine']['cores']} cores of "
        f"{report['machine']['processor'] or 'an unnamed processor'}. Again: "
        f"`make chaos N={orders['count']} SEED={orders['seed']}`.",
        "",
        "| What | Figure |",
        "|---|---|",
        f"| visits, wishes | {course['visits']}, {course['wishes']} |",
        f"| load, then until the last end | {course['load_seconds']:.0f} s, {course['rest_seconds']:.0f} s |",
        f"| money calls that were told a fault | {orders['faulty_share']:.0%} |",
        f"| answers kept by the tills | {figures['answers_kept']} |",
        f"| in doubt at some time | {figures['in_doubt']} ({figures['in_doubt_share']:.1%}) |",
        f"| of these made by the machine and the blows, not by an insurer's fault | {figures['made_by_the_machine']} "
        f"({figures['made_by_the_machine_share']:.1%}) |",
        f"| surfaced and reversed again | {figures['surfaced']} |",
        f"| with a person at the end | {with_a_person} ({figures['with_a_person_share']:.2%}) |",
        f"| from doubt to an end: p50, p99, longest | {seconds['p50']}, {seconds['p99']}, {seconds['longest']} s |",
        f"| of these | {in_time} |",
        f"| cash taken, given back (minor units) | {figures['cash_taken_minor']}, {figures['cash_given_back_minor']} |",
        f"| debit = credit looked at | {course['snapshots']} times during the run |",
        f"| PostgreSQL killed | {course['blows'].get('kill postgres', 0)} times, "
        f"{course['postgres_down_seconds']:.1f} s until it answered again |",
        "",
        "## What was checked",
        "",
        "| Promise | Broken |",
        "|---|---|",
    ]
    broken = [one["promise"] for one in report["differences"]]
    lines += [f"| {promise} | {broken.count(promise)} |" for promise in promises()]
    if report["differences"]:
        lines += ["", "## Differences", ""]
        lines += [f"- {one['promise']}: {one['subject']}: {one['says']}" for one in report["differences"][:SHOWN]]
        lines += [f"- and {len(broken) - SHOWN} more"] if len(broken) > SHOWN else []
    for title, counts in (
        ("States at rest", figures["states"]),
        ("Verdicts told", figures["verdicts_told"]),
        ("Insurers' books", figures["settlements_in_books"]),
        ("Faults of first calls", figures["faults_of_first_calls"]),
        ("With a person, by reason", figures["with_a_person"]),
        ("Blows", course["blows"]),
        ("Processes that ended by themselves after a blow", course["died_alone"]),
        ("Why requests were sent again", course["repeats"]),
        ("Answers by call", course["statuses"]),
        ("At the tills", course["tally"]),
    ):
        if counts:
            lines += ["", f"## {title}", "", ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))]
    return "\n".join([*lines, ""])
