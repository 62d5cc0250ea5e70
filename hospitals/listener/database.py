"""Where the listener's requests meet the database: batches on threads of their own, each seeing one organisation."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.services import KeyHolder, client_key_check
from accounts.services.client_keys import client_key_is_cached
from core.clock import database_now
from core.faults import database_lost
from core.row_security import seen_by
from exchange.services.acts import ActDraft, Acted, act_apply
from exchange.services.receive import Received, WishDraft, transactions_receive
from exchange.services.verdicts import answers_give
from hospitals.listener.batching import Batcher

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """Something to read for one organisation: `ask` is called with the moment, on the database's thread."""

    organisation_id: int
    ask: Callable[[datetime], dict[str, Any]]


def _check(items: list[tuple[str, datetime]]) -> list[KeyHolder | Exception]:
    results: list[KeyHolder | Exception] = []
    for presented, now in items:
        try:
            results.append(client_key_check(presented, now))
        except Exception as error:
            results.append(error)
    return results


def _receive(drafts: list[WishDraft]) -> Sequence[Received | Exception]:
    return _by_organisation(
        drafts, lambda draft: draft.organisation_id, lambda part, now: transactions_receive(drafts=part, now=now)
    )


def _answer(items: list[tuple[int, str]]) -> Sequence[dict[str, Any] | Exception]:
    return _by_organisation(
        items,
        lambda item: item[0],
        lambda part, now: answers_give(organisation_id=part[0][0], his_nos=[his_no for _, his_no in part], now=now),
    )


def _by_organisation(
    items: list[Any], owner: Callable[[Any], int], work: Callable[[list[Any], datetime], Sequence[Any]]
) -> list[Any]:
    """Do `work` for each organisation's items in a transaction that sees this organisation only; results in order.

    What goes wrong for one organisation is told to its callers alone.
    """
    parts: dict[int, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        parts[owner(item)].append(index)
    results: list[Any] = [None] * len(items)
    for organisation_id, indexes in parts.items():
        outcome = _part(organisation_id, [items[index] for index in indexes], work)
        for index, result in zip(indexes, outcome, strict=True):
            results[index] = result
    return results


def _part(
    organisation_id: int, items: list[Any], work: Callable[[list[Any], datetime], Sequence[Any]]
) -> Sequence[Any]:
    """One organisation's share. An item that cannot be stored does not take its neighbours with it."""
    try:
        with seen_by([organisation_id]):
            return work(items, database_now())
    except Exception as error:
        if len(items) == 1 or database_lost(error):
            return [error] * len(items)
    return [result for item in items for result in _part(organisation_id, [item], work)]


def _act(drafts: list[ActDraft]) -> Sequence[tuple[Acted, dict[str, Any]] | Exception]:
    return [result for draft in drafts for result in _part(draft.organisation_id, [draft], _act_one)]


def _act_one(drafts: list[ActDraft], now: datetime) -> list[tuple[Acted, dict[str, Any]] | Exception]:
    """Each act is a commit of its own; its answer is what is current after it."""
    (draft,) = drafts
    acted = act_apply(draft=draft, now=now)
    (answer,) = answers_give(organisation_id=draft.organisation_id, his_nos=[draft.his_no], now=now)
    return [answer] if isinstance(answer, Exception) else [(acted, answer)]


def _read(questions: list[Question]) -> Sequence[dict[str, Any] | Exception]:
    return [result for one in questions for result in _part(one.organisation_id, [one], _read_one)]


def _read_one(questions: list[Question], now: datetime) -> list[dict[str, Any]]:
    (question,) = questions
    return [question.ask(now)]


keys: Batcher[tuple[str, datetime], KeyHolder] = Batcher("client-keys", _check)
intake: Batcher[WishDraft, Received] = Batcher("intake", _receive)
answers: Batcher[tuple[int, str], dict[str, Any]] = Batcher("answers", _answer)
questions: Batcher[Question, dict[str, Any]] = Batcher("questions", _read)
# A day's list takes seconds: nothing that a cashier waits for goes this way.
desk: Batcher[Question, dict[str, Any]] = Batcher("desk", _read)
acts: Batcher[ActDraft, tuple[Acted, dict[str, Any]]] = Batcher("acts", _act)


async def holder_of(presented: str, *, now: datetime) -> KeyHolder:
    """Who presents this key; reads the database only for one not seen in the last seconds."""
    if client_key_is_cached(presented):
        return client_key_check(presented, now)
    return await keys.do((presented, now))
