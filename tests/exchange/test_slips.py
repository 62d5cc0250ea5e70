"""What the holder of a slip is told: by the service that it is about, whoever settled it in the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from core.clock import database_now
from core.row_security import seen_by
from exchange.models import Slip, Transaction
from exchange.pages import TEXTS, RateLimit
from exchange.selectors.slips import SlipState, slip_state
from exchange.services.outage import resettle_from_list
from exchange.services.slips import NothingPending, SlipFacts, slip_give
from tests.exchange.desk import say, settle_by_answering, wish
from tests.exchange.house import House, move_insurer, received, work_off
from tests.exchange.peer import Script, answering, peer
from tests.roles import as_role, refused, rows


def give(house: House, his_no: str) -> SlipFacts:
    with as_role("app"), seen_by([house.hospital.pk]):
        return slip_give(organisation_id=house.hospital.pk, his_no=his_no, now=database_now())


def state(token: str, *, later: timedelta = timedelta()) -> SlipState | None:
    """As profile `public` asks: role app, and nobody is signed in."""
    with as_role("app"):
        return slip_state(token=token, now=database_now() + later)


def pending(house: House, his_no: str = "L-1") -> str:
    """The token of a slip of a wish that has just been received."""
    received(wish(house, his_no, visit_no="V-1"))
    return give(house, his_no).token


def insurer_says(house: House, script: Script) -> None:
    with peer(script) as insurer:
        move_insurer(house, insurer.base_url)
        work_off(house)


def test_it_follows_the_bill_to_its_end(house: House) -> None:
    token = pending(house)
    assert state(token) is SlipState.WAITING
    assert say(house, "L-1", "abandon", self_paid_minor=10000).problem is None
    assert state(token) is SlipState.PAID
    with as_role("app"), seen_by([house.hospital.pk]):
        resettle_from_list(organisation_id=house.hospital.pk, his_nos=["L-1"], by="user:bai", now=database_now())
    assert state(token) is SlipState.PAID_WAITING, "it is settled anew"
    insurer_says(house, answering())
    assert state(token) is SlipState.REFUND_DUE
    assert say(house, "L-1~2", "refunded", amount_minor=8000, refund_no="F-1").problem is None
    assert state(token) is SlipState.SETTLED


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda house: insurer_says(house, answering()), SlipState.SETTLED),
        (
            lambda house: insurer_says(house, answering(code="refused", reason={"code": "cap_reached", "text": ""})),
            SlipState.NOT_SETTLED,
        ),
        (lambda house: insurer_says(house, answering(msgid="another")), SlipState.WAITING),
        (lambda house: say(house, "L-1", "service-cancelled"), SlipState.CANCELLED),
    ],
    ids=["settled", "refused", "in doubt", "service cancelled"],
)
def test_each_end_is_told(house: House, act: Callable[[House], object], told: SlipState) -> None:
    token = pending(house)
    act(house)
    assert state(token) is told


def test_what_needs_a_person_says_so(house: House) -> None:
    token = pending(house)
    insurer_says(house, answering(msgid="another"))
    rows("UPDATE exchange_transaction SET state = 'NEEDS_HUMAN', version = version + 1")
    assert state(token) is SlipState.STAFF


def test_every_state_is_told_in_two_languages() -> None:
    assert TEXTS.keys() == set(SlipState)
    assert all(all(text) for pair in TEXTS.values() for text in pair)


def test_a_slip_answers_for_half_a_year(house: House) -> None:
    token = pending(house)
    assert state(token, later=timedelta(days=179)) is SlipState.WAITING
    assert state(token, later=timedelta(days=181)) is None


def test_without_the_token_nothing_is_seen(house: House) -> None:
    token = pending(house)
    assert (len(token), state("A" * 43), state(token[:-1]), state("' OR 1=1 --")) == (43, None, None, None)
    with as_role("app"):
        assert rows("SELECT * FROM exchange_slip") == []
    with as_role("app"), refused("append-only|permission denied"):
        rows("DELETE FROM exchange_slip")


def test_a_slip_is_made_once_and_only_for_what_is_pending(house: House) -> None:
    token = pending(house)
    settle_by_answering(house, "L-2")
    assert give(house, "L-1").token == token, "printed again also after its end"
    with pytest.raises(NothingPending):
        give(house, "L-2")
    received(wish(house, "L-ASK", operation="presettle"))
    with pytest.raises(NothingPending):
        give(house, "L-ASK")
    assert Slip.objects.count() == 1


def test_two_tills_print_the_same_slip(committed_house: House) -> None:
    received(wish(committed_house, "L-1"))
    gate, tokens = threading.Barrier(2), []

    def print_it() -> None:
        try:
            gate.wait()
            tokens.append(give(committed_house, "L-1").token)
        finally:
            connection.close()

    tills = [threading.Thread(target=print_it) for _ in range(2)]
    for one in tills:
        one.start()
    for one in tills:
        one.join()
    assert tokens[0] == tokens[1]
    assert Transaction.objects.count() == 1


def test_a_bucket_fills_again_and_old_names_are_forgotten() -> None:
    limit = RateLimit(per_second=1, burst=2, names=2)
    assert [limit.takes("a", at=0.0) for _ in range(3)] == [True, True, False]
    assert limit.takes("b", at=0.0), "another one has a bucket of its own"
    assert [limit.takes("a", at=1.0), limit.takes("a", at=1.0)] == [True, False]
    for name in "cd":
        limit.takes(name, at=1.0)
    assert set(limit.buckets) == {"c", "d"}
