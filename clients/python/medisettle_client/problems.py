"""What can go wrong: the platform says no (`Problem`), or nobody answers (`Unanswered`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medisettle_client.answers import Verdict
from medisettle_client.reading import Unreadable, read

CONTENT_TYPE = "application/problem+json"
# These speak of the wish itself: it will never be done as it was sent.
SPEAKS_OF_THE_WISH = frozenset({409, 422})


class MediSettleError(Exception):
    """Base of what this client raises."""


class StoreError(MediSettleError):
    """The local store cannot be used: nothing was sent."""


class Unanswered(MediSettleError):
    """Nobody answered in time. **Not failed: unknown.** What acts was kept: `resume()` asks again.

    `his_no` is None for questions that name none; `trace_id` finds the attempts in the platform's logs.
    """

    def __init__(self, cause: str, *, his_no: str | None, key: str | None, trace_id: str) -> None:
        self.cause, self.his_no, self.key, self.trace_id = cause, his_no, key, trace_id
        super().__init__(f"no answer for {his_no or 'this request'} (trace {trace_id}): {cause}")


class Problem(MediSettleError):
    """The platform's problem+json: decide by `code`; `fix` says who must do what.

    `transaction` is the verdict that a 409 brings along; `body` has every member.
    """

    def __init__(self, body: Mapping[str, Any], *, status: int) -> None:
        self.body, self.status = body, status
        self.code = str(body.get("code", "unexplained"))
        self.title = str(body.get("title", ""))
        self.detail = str(body.get("detail", ""))
        self.detail_zh = str(body.get("detail_zh", ""))
        self.fix = str(body.get("fix", ""))
        self.fix_zh = str(body.get("fix_zh", ""))
        self.trace_id = str(body.get("trace_id", ""))
        self.transaction = _verdict(body.get("transaction"))
        super().__init__(f"{status} {self.code}: {self.detail} {self.fix}".strip())

    @property
    def speaks_of_the_request(self) -> bool:
        """Whether it is about what was sent, not about who sent it or the way to the platform."""
        return self.status in SPEAKS_OF_THE_WISH or self.code == "not_found"


def _verdict(body: object) -> Verdict | None:
    try:
        return None if body is None else read(Verdict, body)
    except Unreadable:
        return None
