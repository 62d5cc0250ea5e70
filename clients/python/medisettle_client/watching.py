"""What is new in the abnormal feed since it was last shown, held against the store.

The feed is the current list: each reading starts from the top, and its cursor only turns pages. What was shown is
remembered per entry; a change is remembered as shown when the caller comes back for the next one, so one that was
being worked on when the process died is shown again, and none is lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from medisettle_client.desk import AbnormalEntry
from medisettle_client.keys import canonical
from medisettle_client.reading import read
from medisettle_client.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`new`: it came on the list; `changed`: it is another than before; `left`: it needs nobody any more."""

    what: Literal["new", "changed", "left"]
    entry: AbnormalEntry


class Reading:
    """One reading of the whole feed, as the watcher called `watch` sees it. Blocks on the disk."""

    def __init__(self, store: Store, watch: str) -> None:
        self._store, self._watch = store, watch
        self._marks = store.watched(watch)
        self._seen: set[str] = set()

    def change(self, entry: AbnormalEntry) -> Change | None:
        """What there is to show about an entry of this reading."""
        self._seen.add(entry.name)
        known = self._marks.get(entry.name)
        if known == _mark(entry):
            return None
        return Change(what="new" if known is None else "changed", entry=entry)

    def left(self) -> Iterator[Change]:
        """After the last page: what is no longer on the list."""
        for name in sorted(self._marks.keys() - self._seen):
            yield Change(what="left", entry=read(AbnormalEntry, self._store.watched_entry(self._watch, name)))

    def shown(self, change: Change) -> None:
        """Durable when this returns."""
        name = change.entry.name
        if change.what == "left":
            self._store.watched_drop(self._watch, name)
        else:
            self._marks[name] = _mark(change.entry)
            self._store.watched_set(self._watch, name, self._marks[name], change.entry.raw)


def _mark(entry: AbnormalEntry) -> str:
    return hashlib.sha256(canonical(entry.told)).hexdigest()
