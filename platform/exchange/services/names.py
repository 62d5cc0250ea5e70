"""Acts of persons: what they looked at must still be so, and where two are needed they must be two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accounts.selectors import user_by_username
from accounts.states import Role
from core.errors import Conflict, Problem
from exchange.models import Transaction
from exchange.services.guards import shown_row

if TYPE_CHECKING:
    from accounts.models import User


class MovedMeanwhile(Conflict):
    code = "moved_meanwhile"
    title = "Somebody else was faster"
    detail = "{his_no} changed while you looked at it: it is {state} now (by {by}, {at}). Nothing of yours was stored."
    detail_zh = "您查看期间 {his_no} 已发生变化：当前为 {state}（{by}，{at}）。您的操作未保存。"
    fix = "Look at it as it is now, and act again if that is still right."
    fix_zh = "请查看最新情况；如仍需处理，请重新操作。"


class NotYourOwn(Problem):
    code = "not_your_own"
    status = 403
    title = "Nobody seconds himself"
    detail = "{proposed_by} proposed it and cannot be the second name."
    detail_zh = "该事项由 {proposed_by} 提出，本人不能作为第二人确认。"
    fix = "Ask a colleague to look at it."
    fix_zh = "请由同事确认。"


class BackOfficeNeeded(Problem):
    code = "back_office_needed"
    status = 403
    title = "One of the two must be of the back office"
    detail = "Neither {proposed_by} nor {seconded_by} is of the back office."
    detail_zh = "{proposed_by} 与 {seconded_by} 均不是后台人员。"
    fix = "Ask somebody of the back office to be the second name."
    fix_zh = "请由后台人员确认。"


def version_check(row: Transaction, version: int) -> None:
    """`row` is locked; `version` is what the person saw. Raises MovedMeanwhile."""
    if row.version != version:
        raise MovedMeanwhile(
            extra={**shown_row(row), "state": row.state, "seen_version": version},
            his_no=row.his_no,
            state=row.state,
            by=row.state_by,
            at=row.state_at.isoformat(timespec="seconds"),
        )


def second_name_check(*, proposed_by: str, user: User) -> None:
    """Whether `user` may be the second name under what `proposed_by` proposed. Raises BackOfficeNeeded, NotYourOwn."""
    if user.username == proposed_by:
        raise NotYourOwn(proposed_by=proposed_by)
    first = user_by_username(username=proposed_by)
    if not any(one is not None and one.has_role(Role.HOSPITAL_BACK_OFFICE) for one in (user, first)):
        raise BackOfficeNeeded(proposed_by=proposed_by, seconded_by=user.username)
