"""Order and advance together, in any order of steps: Hypothesis looks for a way to pay twice, to hand over what is not
held, or to leave stock or room kept for nothing. After each step all books are proven."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from claims.models import Claim
from claims.services.decisions import DecisionDraft
from core.errors import Problem
from core.row_security import EVERYTHING
from ledger.services import prove
from pharmacies.models import HandOver, Order
from pharmacies.services.orders import orders_expire
from settlement.models import Advance, SettlementLeg
from settlement.selectors.conservation import conservation
from settlement.services.advances import laid_out_minor
from settlement.services.collecting import advance_claw_back
from settlement.services.follow import order_follow
from settlement.services.legs import leg_returned
from settlement.services.process import order_give_up
from settlement.states import LegKind, LegState
from tests.claims.house import (
    PAYABLE,
    appeal_decided,
    appealed,
    approving,
    approving_part,
    decided,
    declining,
    reopened,
    withdrawn,
)
from tests.pharmacies.house import box, record
from tests.registry.house import NOW, TODAY
from tests.roles import rows
from tests.settlement.house import DESK, TRACE
from tests.settlement.market import (
    SHOP,
    Market,
    advance_of,
    follow,
    handed,
    make_market,
    paid_out,
    recommended,
    refused_by_shop,
    taken,
    taken_back,
    undone,
)
from tests.settlement.test_recourse import collected

STEPS, EXAMPLES = 8, 8
GOODS_OPEN = ("OFFERED", "ACCEPTED", "READY")


class GoodsAndMoney(RuleBasedStateMachine):
    """One claim; whatever a step may not do is refused with a Problem and has changed nothing."""

    @initialize(
        mode=st.sampled_from(("AFTER", "BEFORE_HANDOVER", "DELEGATED")),
        delegated=st.booleans(),
        opening=st.sampled_from(((2,), (1, 1), (1,), (0,), ())),
    )
    def begin(self, mode: str, delegated: bool, opening: tuple[int, ...]) -> None:
        """`opening`: boxes of each hand-over that is behind us, so that the search starts where money is."""
        self.now = NOW
        self.point = transaction.atomic()
        self.point.__enter__()
        limit = 2_000_000 if delegated else 0
        self.market: Market = make_market(boxes=8, confirmation_mode=mode, delegated_limit_minor=limit)
        self.claim = recommended(self.market)
        if opening:
            self.take()
        if mode != "AFTER" and any(opening):
            self.say(lambda: approving(self.fresh.recommended_minor or 0))
        for boxes in opening:
            if boxes:
                self.hand(boxes, False)

    def teardown(self) -> None:
        if hasattr(self, "point"):
            transaction.set_rollback(True)
            self.point.__exit__(None, None, None)

    def tried(self, step: Callable[[], Any]) -> None:
        """A step in a commit of its own, then the jobs that it left."""
        try:
            with transaction.atomic():
                step()
        except Problem:
            return
        follow(self.fresh, now=self.now)
        for order_id in Order.objects.values_list("pk", flat=True):
            order_follow(order_id=order_id, now=self.now, trace_id=TRACE)

    def take(self) -> None:
        self.tried(lambda: taken(self.claim, now=self.now))

    def say(self, draft: Callable[[], DecisionDraft]) -> None:
        self.tried(lambda: decided(self.fresh, draft(), now=self.now))

    def hand(self, quantity: int, give_up: bool) -> None:
        order = self.order
        assert order is not None
        draft = record(box(quantity), give_up_rest=give_up)
        self.tried(lambda: handed(order, draft, now=self.now))

    @property
    def fresh(self) -> Claim:
        return Claim.objects.get(pk=self.claim.pk)

    @property
    def order(self) -> Order | None:
        return Order.objects.exclude(state__in=("CANCELLED", "RETURNED")).filter(claim_id=self.claim.pk).first()

    @precondition(lambda self: self.order is not None and self.order.state == "OFFERED")
    @rule()
    def shop_takes(self) -> None:
        self.take()

    @precondition(lambda self: self.order is not None and self.order.state in GOODS_OPEN)
    @rule()
    def shop_refuses(self) -> None:
        order = self.order
        assert order is not None
        self.tried(lambda: refused_by_shop(order, now=self.now))

    @precondition(lambda self: self.order is not None and self.order.state == "READY")
    @rule(quantity=st.sampled_from((1, 2)), give_up=st.booleans())
    def handed_over(self, quantity: int, give_up: bool) -> None:
        self.hand(quantity, give_up)

    @precondition(lambda self: HandOver.objects.filter(outcome="DONE").exists())
    @rule(last=st.booleans(), on_the_counter=st.booleans())
    def comes_back(self, last: bool, on_the_counter: bool) -> None:
        handover = HandOver.objects.filter(outcome="DONE").order_by("-number" if last else "number")[0]
        step = undone if on_the_counter else taken_back
        self.tried(lambda: step(handover, now=self.now))

    @precondition(lambda self: self.order is not None)
    @rule()
    def given_up(self) -> None:
        order = self.order
        assert order is not None
        self.tried(lambda: order_give_up(order_id=order.pk, reason="asked", by=SHOP, now=self.now, trace_id=TRACE))

    @rule(days=st.sampled_from((1, 15)))
    def time_passes(self, days: int) -> None:
        self.now += timedelta(days=days)
        self.tried(lambda: orders_expire(now=self.now, limit=10))

    @rule(word=st.sampled_from(("approve", "part", "decline")), code=st.sampled_from(("policy_void", "wrong_lot", "?")))
    def insurer_says(self, word: str, code: str) -> None:
        draft: Callable[[], DecisionDraft] = {
            "approve": lambda: approving(self.fresh.recommended_minor or 0),
            "part": lambda: approving_part((self.fresh.recommended_minor or 0) // 3, reason_code=code),
            "decline": lambda: declining(reason_code=code),
        }[word]
        self.say(draft)

    @rule()
    def insurer_looks_anew(self) -> None:
        self.tried(lambda: reopened(self.fresh, now=self.now))

    @rule(uphold=st.booleans())
    def patient_appeals(self, uphold: bool) -> None:
        self.tried(lambda: appealed(self.fresh, now=self.now))
        self.tried(lambda: appeal_decided(self.fresh, uphold=uphold, now=self.now))

    @rule()
    def patient_withdraws(self) -> None:
        self.tried(lambda: withdrawn(self.fresh, now=self.now))

    @precondition(lambda self: SettlementLeg.objects.filter(kind=LegKind.SECOND, state=LegState.DUE).exists())
    @rule()
    def chain_is_paid(self) -> None:
        leg = SettlementLeg.objects.filter(kind=LegKind.SECOND, state=LegState.DUE).order_by("pk")[0]
        self.tried(lambda: paid_out(leg))

    @precondition(lambda self: Advance.objects.filter(receivable_minor__gt=0).exists())
    @rule(part=st.sampled_from((1, 3)))
    def insurer_pays(self, part: int) -> None:
        advance = Advance.objects.filter(receivable_minor__gt=0)[0]
        self.tried(lambda: collected(advance, -(-advance.receivable_minor // part)))

    @precondition(lambda self: SettlementLeg.objects.filter(kind=LegKind.FIRST, state=LegState.PAID).exists())
    @rule()
    def insurer_takes_back(self) -> None:
        leg = SettlementLeg.objects.filter(kind=LegKind.FIRST, state=LegState.PAID).order_by("pk")[0]
        self.tried(lambda: taken_back_by_insurer(leg, self.now))

    @invariant()
    def all_books_are_proven(self) -> None:
        if not hasattr(self, "market"):
            return
        found = conservation(organisations=EVERYTHING)
        assert found.holds, [check for check in found.proof.checks if not check.holds] if found.proof else found
        assert prove().holds

    @invariant()
    def nothing_is_laid_out_twice_or_unheld(self) -> None:
        if not hasattr(self, "market"):
            return
        assert laid_out_minor(self.claim.pk) <= PAYABLE
        done = HandOver.objects.filter(outcome="DONE").values_list("pk", flat=True)
        owed = SettlementLeg.objects.filter(kind=LegKind.SECOND, cause_id__in=done).exclude(state=LegState.REVERSED)
        assert {leg.cause_id for leg in owed} == set(done)
        assert sum(leg.amount_minor for leg in owed) == laid_out_minor(self.claim.pk)

    @invariant()
    def nothing_is_kept_for_nothing(self) -> None:
        if not hasattr(self, "market"):
            return
        [(boxes,)] = rows("SELECT coalesce(sum(reserved), 0) FROM pharmacies_stocklot")
        order, advance = self.order, Advance.objects.order_by("-episode").first()
        open_boxes = (
            sum(line.ordered - line.handed - line.given_up for line in order.lines.all())
            if order is not None and order.state in ("ACCEPTED", "READY")
            else 0
        )
        assert boxes == open_boxes
        if advance is None:
            return
        [(counter,)] = rows(
            "SELECT coalesce(sum(amount_minor), 0) FROM ledger_hold WHERE state = 'OPEN' AND kind = 'COUNTER_HOLD'"
        )
        if not open_boxes:
            assert counter == 0
        else:
            assert advance_of(self.claim).held_minor > advance_of(self.claim).drawn_minor
        if self.fresh.state in ("WITHDRAWN", "DECLINED", "PREREVIEW_DECLINED", "CLOSED"):
            assert rows("SELECT count(*) FROM ledger_hold WHERE state = 'OPEN'") == [(0,)]


def taken_back_by_insurer(leg: SettlementLeg, now: datetime) -> None:
    """As collections do it: the advance, and the leg that it was for."""
    if leg.advance_id is None:
        raise AssertionError("a first leg has its advance")
    advance_claw_back(
        advance_id=leg.advance_id,
        amount_minor=leg.settled_minor,
        cause_id=leg.pk,
        reason="netted",
        value_date=TODAY,
        by=DESK,
        now=now,
        trace_id=TRACE,
    )
    leg_returned(leg_id=leg.pk, amount_minor=leg.settled_minor, reason="netted", by=DESK, now=now, trace_id=TRACE)


@pytest.mark.django_db
def test_no_way_leads_to_money_paid_twice_or_goods_unheld() -> None:
    run_state_machine_as_test(
        GoodsAndMoney,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
