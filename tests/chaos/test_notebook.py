"""What the hospital has seen is on its disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

from chaos.gather import notebook_read
from chaos.notebook import Notebook, entries


def test_an_entry_is_on_the_disk_when_keeping_it_returns(tmp_path: Path) -> None:
    path = tmp_path / "notebook.jsonl"

    async def keep() -> list[str]:
        notebook = Notebook(path)
        seen = []
        for number in range(3):
            await notebook.keep(what="told", his_no=f"{number}")
            seen.append([entry["his_no"] for entry in entries(path)][-1])
        notebook.close()
        return seen

    assert asyncio.run(keep()) == ["0", "1", "2"]


def test_entries_of_many_tills_at_once_are_all_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "notebook.jsonl"

    async def keep() -> None:
        notebook = Notebook(path)
        await asyncio.gather(*(notebook.keep(what="told", his_no=f"{number}") for number in range(500)))
        notebook.close()

    asyncio.run(keep())
    assert sorted(int(entry["his_no"]) for entry in entries(path)) == list(range(500))


def test_it_is_read_as_answers_wishes_and_cash(tmp_path: Path) -> None:
    path = tmp_path / "notebook.jsonl"
    place = {"hospital": "HOSP-A", "visit_no": "V-1", "bill_no": "B-1", "visit": 1, "at": 0.5}
    wish = {"his_no": "1", "operation": "settle", "insurer": "SANDBOX-A", "total_minor": 100, "replaces": "0"}
    answer = {"act": "post", "status": 202, "verdict": "pending", "state": "SENDING", "code": "", "asked": "1"}

    async def keep() -> None:
        notebook = Notebook(path)
        await notebook.keep(what="wished", **place, **wish)
        await notebook.keep(what="told", his_no="1", **place, **answer)
        await notebook.keep(what="cash_in", **place, his_no="1", minor=100, receipt_no="Q-1")
        await notebook.keep(what="cash_out", **place, his_no="1", minor=80, refund_no="R-1")
        notebook.close()

    asyncio.run(keep())
    told, wished, cash = notebook_read(path)
    assert (told[0].his_no, told[0].verdict, told[0].status) == ("1", "pending", 202)
    assert (wished["1"].replaces, wished["1"].bill) == ("0", ("HOSP-A", "V-1", "B-1"))
    assert [(one.minor, one.number) for one in cash] == [(100, "Q-1"), (-80, "R-1")]
