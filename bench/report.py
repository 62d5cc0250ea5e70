"""Figures of all runs as JSON, as a table on the terminal, and as the table in docs/performance.md."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.runs import Run
from bench.scenes import table
from deploy.local.folders import ROOT, VAR

LATEST = VAR / "bench" / "latest.json"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- figures: python -m bench docs -->", "<!-- end of figures -->"
NAMES = {
    "platform": "the platform, whole path",
    "baseline": "the same work, the plain way",
    "database": "pgbench: the same rows, two commits",
}


def spread(values: Sequence[float], digits: int = 2) -> dict[str, float]:
    """Minimum, median and maximum."""
    return {
        "min": round(min(values), digits),
        "median": round(statistics.median(values), digits),
        "max": round(max(values), digits),
    }


def summary(runs: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    """The figures of each contender and the ratios of the platform to the others, run by run and of the medians."""
    result: dict[str, Any] = {"contenders": {name: _contender(group) for name, group in runs.items()}}
    for other in ("baseline", "database"):
        key = {"baseline": "ratio_to_baseline", "database": "ratio_to_pgbench"}[other]
        result[key] = None
        if "platform" in runs and other in runs:
            # Neighbours in time: what else the machine did weighs on both alike.
            pairs = [
                mine.per_second / theirs.per_second for mine, theirs in zip(runs["platform"], runs[other], strict=True)
            ]
            result[key] = spread(pairs, 3)
    result["cpu_ratio_to_baseline"] = None
    if "platform" in runs and "baseline" in runs:
        pairs = [
            _cpu_ms(theirs) / _cpu_ms(mine) for mine, theirs in zip(runs["platform"], runs["baseline"], strict=True)
        ]
        result["cpu_ratio_to_baseline"] = spread(pairs, 3)
    kinds = {name: {json.dumps(run.rows, sort_keys=True) for run in group} for name, group in runs.items()}
    result["rows_equal"] = len(set().union(*kinds.values())) == 1
    return result


def _cpu_ms(run: Run) -> float:
    """CPU of everything but the cashiers, per settlement."""
    return sum(value for kind, value in run.cpu_ms.items() if kind != "load")


def _contender(group: Sequence[Run]) -> dict[str, Any]:
    kinds = sorted({kind for run in group for kind in run.cpu_ms})
    return {
        "settlements_per_second": spread([run.per_second for run in group]),
        "runs": [round(run.per_second, 2) for run in group],
        "settlements": sum(run.settlements for run in group),
        "pending": sum(run.pending for run in group),
        "latency_ms": {"p50": spread([run.p50_ms for run in group]), "p99": spread([run.p99_ms for run in group])},
        "cpu_ms_per_settlement": {kind: spread([run.cpu_ms.get(kind, 0.0) for run in group], 3) for kind in kinds},
        "rows_per_settlement": group[0].rows,
    }


def _ms(latency: Mapping[str, float]) -> str:
    """The median; a dash for pgbench, which tells neither p50 nor p99."""
    return f"{latency['median']:.1f}" if latency["median"] else "-"


def latest() -> dict[str, Any]:
    """What was written last; empty before the first run."""
    figures: dict[str, Any] = json.loads(LATEST.read_text()) if LATEST.exists() else {}
    return figures


def write(figures: Mapping[str, Any]) -> Path:
    """Keep the figures of a comparison; scenes that were played before stay."""
    return _keep({**figures, "scenes": latest().get("scenes", {})})


def write_scene(name: str, figures: Mapping[str, Any]) -> Path:
    """Keep the figures of a scene; everything else stays."""
    before = latest()
    return _keep({**before, "scenes": {**before.get("scenes", {}), name: figures}})


def _keep(figures: Mapping[str, Any]) -> Path:
    LATEST.parent.mkdir(parents=True, exist_ok=True)
    LATEST.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    return LATEST


def text(figures: Mapping[str, Any]) -> str:
    """What the terminal shows."""
    lines = []
    for name, one in figures["contenders"].items():
        rate, latency = one["settlements_per_second"], one["latency_ms"]
        lines.append(
            f"{NAMES[name]:38}  {rate['median']:8.1f}/s  ({rate['min']:.1f} to {rate['max']:.1f})"
            f"  p50 {_ms(latency['p50'])} ms  p99 {_ms(latency['p99'])} ms"
        )
        cpu = "  ".join(f"{kind} {value['median']:.2f}" for kind, value in one["cpu_ms_per_settlement"].items())
        lines.append(f"{'':38}  CPU ms per settlement: {cpu}")
    for key, other in (("ratio_to_baseline", "the plain way"), ("ratio_to_pgbench", "pgbench")):
        if figures.get(key):
            ratio = figures[key]
            lines.append(f"platform / {other}: {ratio['median']:.2f}  ({ratio['min']:.2f} to {ratio['max']:.2f})")
    if figures.get("cpu_ratio_to_baseline"):
        lines.append(f"CPU of the plain way / of the platform: {figures['cpu_ratio_to_baseline']['median']:.2f}")
    if added := figures.get("latency_added_ms"):
        lines.append(f"added to a direct call, one cashier: p50 {added['p50']:.1f} ms, p99 {added['p99']:.1f} ms")
    if not figures["rows_equal"]:
        lines.append("ROWS DIFFER between contenders: the comparison does not count (rows_per_settlement)")
    return "\n".join(lines)


def markdown(figures: Mapping[str, Any]) -> str:
    """The tables of docs/performance.md: contenders where they were compared, scenes where they were played."""
    return "\n\n".join([*([_compared(figures)] if "contenders" in figures else []), *_scenes(figures)])


def _scenes(figures: Mapping[str, Any]) -> list[str]:
    scenes = figures.get("scenes", {})
    commits = sorted({f"`{str(one['revision']['commit'])[:10]}`" for one in scenes.values()})
    head = [f"Scenes (commit {', '.join(commits)}):"] if scenes else []
    return [*head, "\n".join(f"- {line}" for line in table.lines(scenes))] if head else []


def _compared(figures: Mapping[str, Any]) -> str:
    machine, revision, options = figures["machine"], figures["revision"], figures["options"]
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB, "
        f"{machine['system']}, Python {machine['python']}; commit `{str(revision['commit'])[:10]}`"
        f"{' with changes' if revision['changed'] else ''}, {revision['at']}; {options['cashiers']} cashiers, "
        f"{options['runs']} runs of {options['seconds']:g} s each, taking turns.",
        "",
        "| Contender | Settlements/s: median (min to max) | p50 ms | p99 ms | CPU ms per settlement |",
        "|---|---|---|---|---|",
    ]
    for name, one in figures["contenders"].items():
        rate, latency = one["settlements_per_second"], one["latency_ms"]
        cpu = ", ".join(f"{kind} {value['median']:.2f}" for kind, value in one["cpu_ms_per_settlement"].items())
        lines.append(
            f"| {NAMES[name]} | {rate['median']:.1f} ({rate['min']:.1f} to {rate['max']:.1f}) "
            f"| {_ms(latency['p50'])} | {_ms(latency['p99'])} | {cpu} |"
        )
    lines.append("")
    for key, other, hold in (
        ("ratio_to_baseline", "the plain way", "hold 8, aim 12"),
        ("ratio_to_pgbench", "pgbench", "hold 0.12, aim 0.25"),
    ):
        if figures.get(key):
            ratio = figures[key]
            lines.append(
                f"- platform / {other}: **{ratio['median']:.2f}** ({ratio['min']:.2f} to {ratio['max']:.2f}; {hold})"
            )
    if figures.get("cpu_ratio_to_baseline"):
        ratio = figures["cpu_ratio_to_baseline"]
        lines.append(f"- CPU of the plain way / of the platform, per settlement: {ratio['median']:.2f}")
    if added := figures.get("latency_added_ms"):
        lines.append(
            f"- added to a direct call to the insurer, one cashier: p50 {added['p50']:.1f} ms, "
            f"p99 {added['p99']:.1f} ms (hold 15 and 40)"
        )
    return "\n".join(lines)


def write_page() -> None:
    """Put the table of the latest figures between its marks in docs/performance.md. Raises ValueError without marks."""
    page = PAGE.read_text()
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE} lacks the marks of its table")
    PAGE.write_text(f"{head}{BEGIN}\n{markdown(latest())}\n{END}{tail}")
