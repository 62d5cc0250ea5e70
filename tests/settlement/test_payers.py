"""Basic insurance comes before us: it settles first, our part is reckoned on its fact, and it is undone first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from claims.models import Claim
from core.row_security import EVERYTHING
from exchange.models import Transaction
from ledger.services import prove
from pharmacies.models import BasicSettlement, GoodsReturn, HandOver, Order
from pharmacies.services.basic import basic_follow
from registry.models import Shop
from settlement.models import Advance
from settlement.selectors.conservation import conservation
from settlement.services.follow import order_follow
from settlement.services.process import goods_give_up
from settlement.states import LegKind
from tests.claims.house import BASIC, OTHER, PAYABLE
from tests.claims.house import PRICE as CLAIMED
from tests.exchange.house import REGION, SCHEME, House, connect, forget_processes, move_insurer, work_off
from tests.exchange.peer import Script, answering, peer, sending
from tests.pharmacies.house import PRICE_MINOR
from tests.registry.house import NOW
from tests.roles import as_role
from tests.settlement.house import TRACE, balances, payable
from tests.settlement.market import Market, advance_of, handed, legs_of, make_market, recommended, taken, taken_back

pytestmark = pytest.mark.django_db
PRICE = 2 * PRICE_MINOR  # Two boxes at the shop's own price.
MORE = BASIC + 100_000  # Basic insurance pays a thousand yuan more than was thought.
PAYABLE_LESS = (CLAIMED - OTHER - MORE) * 8 // 10
REFUSED = {"code": "refused", "reason": {"code": "not_insured", "text": "unknown person"}}


def pays(fund_minor: int) -> Script:
    cash = PRICE - fund_minor
    return answering(
        total_minor=PRICE,
        fund_minor=fund_minor,
        cash_minor=cash,
        shares=[{"payer": "basic_fund", "amount_minor": fund_minor}],
    )


class Counter:
    """A dual-channel shop in the market, and the centre that answers for basic insurance as it is told."""

    def __init__(self) -> None:
        forget_processes()
        self.market: Market = make_market(confirmation_mode="AFTER")
        near = self.market.town.near
        Shop.objects.filter(pk=near.pk).update(basic_insurance=True, basic_scheme=SCHEME, basic_region=REGION)
        centre = connect("CENTRE")
        self.house = House(near.organisation, self.market.chain, centre.insurer, centre, centre.lane)

    def answers(self, script: Script) -> None:
        """What waits for the centre is sent and answered; whoever waits for it goes on."""
        with peer(script) as centre:
            move_insurer(self.house, centre.base_url)
            work_off(self.house)
        for row in BasicSettlement.objects.filter(verdict=""):
            with as_role("worker"):
                basic_follow(settlement_ids=[row.pk], now=NOW)
            order_follow(order_id=row.order_id, now=NOW, trace_id=TRACE)

    def handing(self) -> tuple[Claim, HandOver]:
        claim = recommended(self.market)
        return claim, handed(taken(claim))


@pytest.fixture
def counter(db: None) -> Iterator[Counter]:
    yield Counter()
    forget_processes()


def fresh(handover: HandOver) -> HandOver:
    return HandOver.objects.get(pk=handover.pk)


def sound() -> None:
    assert conservation(organisations=EVERYTHING).holds
    assert prove().holds


def test_no_goods_and_no_money_move_before_basic_insurance_has_answered(counter: Counter) -> None:
    claim, handover = counter.handing()
    assert fresh(handover).outcome == "PENDING"
    assert (advance_of(claim).state, advance_of(claim).drawn_minor) == ("HELD", 0)
    wish = Transaction.objects.get()
    assert (wish.operation, wish.total_minor, wish.organisation_id) == (
        "settle",
        PRICE,
        counter.market.town.near.organisation_id,
    )


def test_settled_as_was_thought_the_goods_go_and_ours_is_drawn(counter: Counter) -> None:
    claim, handover = counter.handing()
    counter.answers(pays(BASIC))
    assert fresh(handover).outcome == "DONE"
    assert advance_of(claim).drawn_minor == PAYABLE
    assert balances()[payable(counter.market.desk)] == PAYABLE
    sound()


def test_it_pays_more_and_less_is_drawn_and_the_rest_is_free(counter: Counter) -> None:
    claim, handover = counter.handing()
    counter.answers(pays(MORE))
    advance = advance_of(claim)
    assert (fresh(handover).outcome, advance.drawn_minor) == ("DONE", PAYABLE_LESS)
    assert balances()["exposure"] == PAYABLE_LESS
    own = legs_of(claim, LegKind.OWN_SHARE)[0].amount_minor
    assert own == PRICE - OTHER - MORE - PAYABLE_LESS
    sound()


def test_an_answer_that_is_lost_lets_nothing_go_and_asks_nobody_else(counter: Counter) -> None:
    claim, handover = counter.handing()
    counter.answers(sending(b""))
    assert Transaction.objects.get().state == "IN_DOUBT"
    assert (fresh(handover).outcome, advance_of(claim).drawn_minor) == ("PENDING", 0)
    sound()


def test_refused_the_hand_over_ends_and_the_code_opens_again(counter: Counter) -> None:
    claim, handover = counter.handing()
    counter.answers(answering(**REFUSED))
    assert fresh(handover).outcome == "ABORTED"
    assert (Order.objects.get().state, advance_of(claim).state) == ("READY", "HELD")
    sound()


def test_given_up_while_nobody_knows_it_is_cancelled_once_it_is_known(counter: Counter) -> None:
    claim, handover = counter.handing()
    goods_give_up(handover_id=handover.pk, reason="left", by="pharmacist-1", now=NOW, trace_id=TRACE)
    counter.answers(pays(BASIC))
    asked = dict(BasicSettlement.objects.values_list("purpose", "verdict"))
    assert asked == {"settle": "succeeded", "cancel": ""}
    assert (fresh(handover).outcome, advance_of(claim).drawn_minor) == ("ABORTED", 0)
    sound()


def test_goods_that_come_back_are_undone_at_basic_insurance_before_ours_moves(counter: Counter) -> None:
    claim, handover = counter.handing()
    counter.answers(pays(BASIC))
    taken_back(fresh(handover))
    assert (GoodsReturn.objects.get().waits_for, advance_of(claim).drawn_minor) == ("basic_insurance", PAYABLE)
    settled = Transaction.objects.get(operation="settle").settlement_no
    counter.answers(answering(cancelled=settled, settlement_no="C-1", total_minor=-PRICE))
    assert BasicSettlement.objects.get(purpose="cancel").verdict == "succeeded"
    first = Advance.objects.earliest("episode")
    assert (fresh(handover).outcome, first.state, first.returned_minor) == ("RETURNED", "RELEASED", PAYABLE)
    assert balances() == {}
    sound()
