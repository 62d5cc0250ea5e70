import time
import pytest
from tests.live import LiveStack, live, live_template, live_stack  # noqa

pytestmark = pytest.mark.xdist_group("live")

def test_it_settles(live: LiveStack) -> None:
    t = time.monotonic()
    answer = live.post(live.wish())
    assert (answer.status, answer.verdict) == (200, "succeeded"), answer
    print(time.monotonic() - t)
    assert len(live.book("SANDBOX-A")) == 1
    assert live.connections("listener-1") > 0
    live.kill("workers-1")
    live.start_again("workers-1")
    answer = live.post(live.wish())
    assert (answer.status, answer.verdict) == (200, "succeeded"), answer
def test_own_pg(tmp_path):
    with live_stack(tmp_path, own_postgres=True, broker=False) as stack:
        answer = stack.post(stack.wish())
        assert (answer.status, answer.verdict) == (200, "succeeded"), answer
