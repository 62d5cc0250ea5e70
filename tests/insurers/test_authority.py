"""The authority matrix: which line counts, who grants it, and that nobody else sees or changes it."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import User
from core.errors import Forbidden, NotFound
from core.row_security import seen_by
from insurers.models import Authority
from insurers.selectors.authority import authorities_visible_to, authority_of
from insurers.services.authority import AuthorityInvalid, AuthorityStands, authority_grant, authority_revoke
from tests.insurers.cast import NOW, TRACE, Cast
from tests.roles import as_role, refused, rows


def grant(cast: Cast, clerk: User, **changes: Any) -> Authority:
    wanted: dict[str, Any] = {
        "username": clerk.username,
        "product_code": None,
        "drug_code": None,
        "alone_minor": 100_000,
        "second_minor": 500_000,
        "currency": "CNY",
        "user": cast.guard,
    }
    with as_role("app"), seen_by([cast.insurer.pk]):
        return authority_grant(now=NOW, trace_id=TRACE, **(wanted | changes))


def counts(cast: Cast, *, product: str = "P", drug: str = "D", currency: str = "CNY") -> int | None:
    line = authority_of(user_id=cast.clerk.pk, product_code=product, drug_code=drug, currency=currency)
    return line.alone_minor if line else None


def test_without_a_line_nobody_decides(cast: Cast) -> None:
    assert counts(cast) is None


def test_a_line_for_everything_counts_for_its_currency_only(cast: Cast) -> None:
    grant(cast, cast.clerk)
    assert (counts(cast), counts(cast, currency="HKD")) == (100_000, None)


def test_a_line_ends_when_it_is_revoked(cast: Cast) -> None:
    line = grant(cast, cast.clerk)
    with as_role("app"), seen_by([cast.insurer.pk]):
        authority_revoke(authority_id=line.pk, user=cast.guard, now=NOW, trace_id=TRACE)
    assert counts(cast) is None
    grant(cast, cast.clerk, alone_minor=1)
    assert counts(cast) == 1


def test_there_is_one_line_per_person_and_scope(cast: Cast) -> None:
    grant(cast, cast.clerk)
    with pytest.raises(AuthorityStands):
        grant(cast, cast.clerk, alone_minor=7)
    grant(cast, cast.second)


def test_only_the_insurers_own_security_administrator_grants(cast: Cast) -> None:
    for user in (cast.clerk, cast.admin, cast.operator):
        with pytest.raises(Forbidden):
            grant(cast, cast.clerk, user=user)


def test_nobody_grants_himself(cast: Cast) -> None:
    cast.guard.roles = ["insurer_clerk", "security_administrator"]
    cast.guard.save(update_fields=["roles"])
    with pytest.raises(AuthorityInvalid, match="himself"):
        grant(cast, cast.guard)


def test_only_a_clerk_of_the_own_insurer_gets_authority(cast: Cast) -> None:
    for clerk in (cast.stranger_clerk, cast.admin, cast.operator):
        with pytest.raises(AuthorityInvalid):
            grant(cast, clerk)


@pytest.mark.parametrize("changes", [{"alone_minor": -1}, {"second_minor": 2**60}, {"currency": "XXX"}])
def test_amounts_that_mean_nothing_are_refused(cast: Cast, changes: dict[str, Any]) -> None:
    with pytest.raises(AuthorityInvalid):
        grant(cast, cast.clerk, **changes)


def test_a_stranger_sees_and_revokes_nothing(cast: Cast) -> None:
    line = grant(cast, cast.clerk)
    assert not authorities_visible_to(user=cast.stranger_clerk).exists()
    with as_role("app"), seen_by([cast.stranger.pk]):
        assert rows("SELECT id FROM insurers_authority") == []
        with pytest.raises(NotFound):
            authority_revoke(authority_id=line.pk, user=cast.stranger_guard, now=NOW, trace_id=TRACE)
    assert [one.user.username for one in authorities_visible_to(user=cast.clerk)] == ["ji"]


def test_a_line_cannot_be_written_for_another_insurer(cast: Cast) -> None:
    with as_role("app"), seen_by([cast.stranger.pk]), refused("row-level security"):
        rows(
            "INSERT INTO insurers_authority (id, organisation_id, user_id, alone_minor, second_minor, currency, "
            "granted_by, granted_at, revoked_by) VALUES (gen_random_uuid(), %s, %s, 1, 1, 'CNY', 'x', now(), '')",
            [cast.insurer.pk, cast.clerk.pk],
        )
