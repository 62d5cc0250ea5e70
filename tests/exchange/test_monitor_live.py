"""The abnormal check on real processes: a job deleted by hand is found by beat's task alone, and reversed."""

from __future__ import annotations

from pathlib import Path

from tests.exchange.test_doubt_live import ends, say, settlements
from tests.live import live_stack, until

JOB = "FROM journal_job WHERE subject_id = (SELECT id FROM exchange_transaction WHERE his_no = %s)"


def test_a_doubt_without_a_job_is_found_by_beat_and_reversed(live_template: None, tmp_path: Path) -> None:
    with live_stack(tmp_path, beat=True, sweeper=False) as live:
        live.faults("SANDBOX-B", "commit_then_silence")
        wish = live.wish(insurer="SANDBOX-B", wait_seconds=0)
        his_no = wish["his_no"]
        assert live.post(wish).verdict == "pending"
        live.wait_for(his_no, "SENDING")
        assert say(live, his_no, "abandon", self_paid_minor=10000, tender="cash").verdict == "abandoned"
        live.wait_for(his_no, "IN_DOUBT")
        # Whatever looks after it is gone; no sweeper runs, and no hint will come. Not before the quiet time is over: a
        # job that the check queues sooner is put off until then, and what was put off is taken up by a sweeper only.
        until(
            lambda: live.rows(f"SELECT 1 {JOB} AND run_at <= clock_timestamp()", [his_no]), what="the quiet time's end"
        )
        live.rows(f"DELETE {JOB}", [his_no])
        assert ends(live, his_no, "reversed")["self_payment"]["state"] == "STANDS"
        (held,) = settlements(live, his_no, "SANDBOX-B")
        assert (held["state"], held["accepted_reversals"]) == ("reversed", 1)
