"""The table of scenes: name -> play, and what is said of each one's figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.scenes import abnormal, claims, hung, waiting
from bench.stage import Stage

CLAIMS = 400  # Filed and decided in one run of the scene `claims`.


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large the scenes are played: waiting cashiers and their measured seconds, abnormal rows."""

    cashiers: int
    seconds: float
    rows: int


PLAYS: dict[str, Callable[[Stage, dict[str, Any], Size], dict[str, Any]]] = {
    "waiting": lambda stage, orders, size: waiting.play(stage, orders, cashiers=size.cashiers, seconds=size.seconds),
    "hung": lambda stage, orders, _: hung.play(stage, orders),
    "abnormal": lambda stage, orders, size: abnormal.play(stage, orders, many=size.rows),
    "claims": lambda stage, _, size: claims.play(stage, claims=CLAIMS, past=size.rows),
}


def lines(scenes: Mapping[str, Any]) -> list[str]:
    """A sentence or two for each scene that was played; the figures to hold in bold."""
    return [line for name, said in _SAID.items() if name in scenes for line in said(scenes[name])]


def _waiting(one: Mapping[str, Any]) -> list[str]:
    worker, listener, latency = one["peak_mb"]["worker"], one["peak_mb"]["listener"], one["latency_ms"]
    alone, most = one["held_by_one_cashier"]["listener"], one["held_at_most"]["listener"]
    together = one["held_at_most"]["worker"]["together_mb"]
    return [
        f"{one['cashiers']} cashiers on an insurer that takes {one['latency_seconds']:g} s: {one['per_second']:.1f} "
        f"settlements/s, **{one['share_of_ideal']:.2f}** of the ideal {one['ideal_per_second']:.0f} (hold 0.3); "
        f"p50 {latency['p50']:.0f} ms, p99 {latency['p99']:.0f} ms; {one['pending']} told `pending`",
        f"held meanwhile: the largest worker process **{worker[0]:.0f} MB** at its peak (hold 300; its {len(worker)} "
        f"processes together {together:.0f} MB), the listener {listener[0]:.0f} MB; threads of the listener "
        f"{most['threads']:.0f} (with one cashier {alone['threads']:.0f}), its database connections "
        f"{most['database_connections']:.0f} (with one cashier {alone['database_connections']:.0f})",
    ]


def _hung(one: Mapping[str, Any]) -> list[str]:
    before, during, rate = one["pooled_ms"]["answering"], one["pooled_ms"]["hanging"], one["per_second"]
    children = f"{one['worker_children']} worker {'child' if one['worker_children'] == 1 else 'children'}"
    rounds = ", ".join(f"{ratio:.2f}" for ratio in one["p99_ratio"]["rounds"])
    return [
        f"{one['hung_insurers']} hung insurers on {children}: p99 of a healthy one "
        f"**{one['p99_ratio']['median']:.2f}** times that before (hold 2; median of {one['rounds']} rounds: {rounds}); "
        f"all rounds together p99 {before['p99']:.0f} and {during['p99']:.0f} ms, p50 {before['p50']:.0f} and "
        f"{during['p50']:.0f} ms, {rate['answering']:.0f} and {rate['hanging']:.0f} settlements/s"
    ]


def _abnormal(one: Mapping[str, Any]) -> list[str]:
    few, many = str(one["few"]), str(one["rows"])
    row, page, idle = one["row_us"], one["first_page_ms"], one["found_nothing_seconds"]
    return [
        f"{one['rows']:,} abnormal transactions found, decided and queued: {row[many]['median']:.0f} us a row, "
        f"**{one['row_ratio']:.2f}** times that of {one['few']:,} (hold 1.2; by CPU {one['row_cpu_ratio']:.2f}); "
        f"a check that finds all of them looked after {idle[many]:.2f} s; {one['worked_off']['rows']:,} of them worked "
        f"off by a platform in {one['worked_off']['seconds']:.0f} s",
        f"first page of the abnormal list among {one['rows']:,}: {page[many]:.1f} ms, "
        f"**{one['first_page_ratio']:.2f}** times that among {one['few']:,} ({page[few]:.1f} ms)",
    ]


def _claims(one: Mapping[str, Any]) -> list[str]:
    alone, among, known = one["runs"]["0"], one["runs"][str(one["past"])], one["openimis"]
    return [
        f"{one['claims']} claims by {one['clients']} patients: {alone['submitted_per_second']:.1f} submitted/s, "
        f"{alone['decided_per_second']:.1f} decided/s, **{one['ratio']:.1f}** times the "
        f"{known['submitted_per_second']:g} submitted/s of openIMIS (hold 25); a claim takes its patient p50 "
        f"{alone['claim_ms']['p50']} ms, p99 {alone['claim_ms']['p99']} ms for draft, photo and filing",
        f"among {one['past']:,} claims of the past: {among['decided_per_second']:.1f} decided/s, "
        f"**{one['among_ratio']:.2f}** of that (no fall)",
    ]


_SAID: dict[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "waiting": _waiting,
    "hung": _hung,
    "abnormal": _abnormal,
    "claims": _claims,
}
