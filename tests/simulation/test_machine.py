"""The same day with Hypothesis at the wheel: it looks for a short sequence of steps that breaks a promise."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.simulation.conftest import Complaints
from tests.simulation.day import Day, profiles
from tests.simulation.truth import holds_at_every_step, holds_at_rest
from tests.simulation.walk import STEPS, TROUBLE

EXAMPLES = 15
STEPS_AT_MOST = 40
RANDOMS = strategies.randoms(use_true_random=False)


class Hospital(RuleBasedStateMachine):
    """Each rule is a step of the walk; every draw inside it, the insurer's too, is Hypothesis's to choose."""

    day: Day

    @initialize(random=RANDOMS, profile=strategies.sampled_from(profiles()))
    def opens(self, random: object, profile: str) -> None:
        self.day = Day(random, profile)  # type: ignore[arg-type]

    @rule(step=strategies.sampled_from(list(STEPS)))
    def goes_on(self, step: object) -> None:
        step(self.day)  # type: ignore[operator]

    @rule(step=strategies.sampled_from(TROUBLE))
    def has_trouble(self, step: object) -> None:
        step(self.day)  # type: ignore[operator]

    @invariant()
    def keeps_its_promises(self) -> None:
        if hasattr(self, "day"):
            holds_at_every_step(self.day)

    def teardown(self) -> None:
        if hasattr(self, "day"):
            self.day.comes_to_rest()
            holds_at_rest(self.day)


@pytest.mark.usefixtures("clock")
def test_no_sequence_of_steps_breaks_a_promise(complaints: Complaints) -> None:
    settings = hypothesis.settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS_AT_MOST,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    run_state_machine_as_test(Hospital, settings=settings)
    assert complaints.heard == []
