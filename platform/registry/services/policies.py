"""Policies as an insurer tells them: one by one, or as a file that is taken whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import IntegrityError, transaction

from core.errors import Conflict, Problem
from core.ids import uuid7
from core.money import LARGEST_MINOR
from registry.models import Policy, PolicyImport, PolicyMember, Product
from registry.policy_files import rows_read
from registry.policy_rows import ERRORS_KEPT, PolicyRow, RowError, policy_rows
from registry.services.persons import PersonDraft, PersonInvalid, person_register
from registry.states import PolicyState, Relation

if TYPE_CHECKING:
    from accounts.models import Organisation

TOTALS = ("rows", "policies", "sum_insured_minor")


class PolicyInvalid(Problem):
    code = "policy_invalid"
    status = 422
    title = "The policy cannot be stored like this"
    detail = "{field}: {explanation}"
    detail_zh = "保单信息无效，{field}：{explanation_zh}"
    fix = "Correct that field; nothing was stored."
    fix_zh = "请更正该项；本次未保存任何内容。"


class FileTaken(Conflict):
    code = "file_taken"
    title = "This file was taken before"
    detail = "{file_name} has the content of {earlier}, which was taken at {at}."
    detail_zh = "{file_name} 与 {at} 已导入的 {earlier} 内容相同。"
    fix = "Nothing is to be done; send a new file for what has changed since."
    fix_zh = "无需处理；如有变更，请提交新文件。"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberDraft:
    """`starts_on` None: from the policy's first day on."""

    person_id: UUID
    relation: Relation = Relation.SELF
    pre_existing: bool = False
    basic_insurance: bool = True
    starts_on: date | None = None
    ends_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDraft:
    """`first_started_on` of the unbroken row of renewals; None: this policy is the first."""

    organisation_id: int
    product_code: str
    policy_no: str
    starts_on: date
    ends_on: date
    sum_insured_minor: int
    first_started_on: date | None = None
    currency: str = "CNY"
    state: PolicyState = PolicyState.IN_FORCE
    members: tuple[MemberDraft, ...] = ()


@transaction.atomic
def policy_write(*, draft: PolicyDraft, now: datetime) -> Policy:
    """Add a policy, or bring it to what its insurer now says; members that are not named stay. Raises PolicyInvalid."""
    product = _product(draft)
    _check(draft)
    known = Policy.objects.select_for_update().filter(organisation_id=draft.organisation_id, policy_no=draft.policy_no)
    policy = known.first() or Policy(
        id=uuid7(now), organisation_id=draft.organisation_id, policy_no=draft.policy_no, product=product, created_at=now
    )
    is_new = policy._state.adding
    if policy.product_id != product.pk or (not is_new and policy.currency != draft.currency):
        raise _invalid("product", "the policy is one of another product", "该保单属于其他产品或币种")
    policy.state, policy.starts_on, policy.ends_on = draft.state, draft.starts_on, draft.ends_on
    policy.first_started_on = draft.first_started_on or draft.starts_on
    policy.sum_insured_minor, policy.currency = draft.sum_insured_minor, draft.currency
    policy.version += 0 if is_new else 1
    policy.save(force_insert=is_new, force_update=not is_new)
    for member in draft.members:
        _member_write(policy, member, now)
    return policy


def policies_import(
    *,
    organisation: Organisation,
    file_name: str,
    content: bytes,
    dry_run: bool,
    expected_totals: Mapping[str, int] | None,
    by: str,
    now: datetime,
) -> PolicyImport:
    """Read a file of policies (XLSX or CSV) and take it, whole or not at all; the answer tells each bad row.

    `expected_totals` are the sender's control totals (TOTALS): where one differs nothing is taken. A dry run does
    everything and keeps nothing. Raises FileRefused for what is no file of policies, FileTaken for one taken before.
    """
    digest = hashlib.sha256(content).hexdigest()
    if not dry_run:
        _not_taken(organisation.pk, digest, file_name)
    rows, errors = policy_rows(rows_read(file_name=file_name, content=content))
    counted = _counted(rows)
    told = {name: int(value) for name, value in (expected_totals or {}).items() if name in TOTALS}
    errors += _totals_differ(counted, told) if not errors else []
    result = PolicyImport(
        id=uuid7(now),
        organisation=organisation,
        file_name=file_name[:200],
        digest=digest,
        dry_run=dry_run,
        rows=counted["rows"],
        totals={"counted": counted, "told": told},
        by=by,
        at=now,
    )
    try:
        with transaction.atomic():
            errors += _take(organisation.pk, rows, dry_run=dry_run, now=now) if not errors else []
            result.taken = 0 if errors else counted["rows"]
            result.errors = [error.shown() for error in errors[:ERRORS_KEPT]]
            result.save(force_insert=True)
    except IntegrityError as error:
        if "a_file_is_taken_once" not in str(error):
            raise
        raise _taken(organisation.pk, digest, file_name) from None
    return result


def _take(organisation_id: int, rows: list[PolicyRow], *, dry_run: bool, now: datetime) -> list[RowError]:
    """Write everything; with an error, or on a dry run, nothing of it stays."""
    errors: list[RowError] = []
    by_policy: dict[str, list[PolicyRow]] = {}
    for row in rows:
        by_policy.setdefault(row.policy_no, []).append(row)
    with transaction.atomic():
        for together in by_policy.values():
            errors += _take_policy(organisation_id, together, now)
        if errors or dry_run:
            transaction.set_rollback(True)
    return errors


def _take_policy(organisation_id: int, rows: list[PolicyRow], now: datetime) -> list[RowError]:
    """Each failure undoes what it began, so that the rows after it are still looked at."""
    first = rows[0]
    members: list[MemberDraft] = []
    row = first
    try:
        with transaction.atomic():
            for row in rows:
                person = person_register(draft=PersonDraft(**row.person), now=now)
                members.append(MemberDraft(person_id=person.pk, **row.member))
            row = first
            policy_write(
                draft=PolicyDraft(
                    organisation_id=organisation_id,
                    policy_no=first.policy_no,
                    members=tuple(members),
                    **first.policy,
                ),
                now=now,
            )
    except (PersonInvalid, PolicyInvalid) as error:
        told = (str(error.fields["explanation"]), str(error.fields["explanation_zh"]))
        return [RowError(row.number, str(error.fields["field"]), error.code, *told)]
    return []


def _counted(rows: list[PolicyRow]) -> dict[str, int]:
    sums = {row.policy_no: int(row.policy["sum_insured_minor"]) for row in rows}
    return {"rows": len(rows), "policies": len(sums), "sum_insured_minor": sum(sums.values())}


def _totals_differ(counted: Mapping[str, int], told: Mapping[str, int]) -> list[RowError]:
    return [
        RowError(
            0,
            name,
            "totals_differ",
            f"the file has {counted[name]}, its sender told {told[name]}",
            f"文件合计为 {counted[name]}，报送合计为 {told[name]}",
        )
        for name in TOTALS
        if name in told and told[name] != counted[name]
    ]


def _not_taken(organisation_id: int, digest: str, file_name: str) -> None:
    if PolicyImport.objects.filter(organisation_id=organisation_id, digest=digest, dry_run=False, taken__gt=0).exists():
        raise _taken(organisation_id, digest, file_name)


def _taken(organisation_id: int, digest: str, file_name: str) -> FileTaken:
    earlier = PolicyImport.objects.filter(
        organisation_id=organisation_id, digest=digest, dry_run=False, taken__gt=0
    ).get()
    return FileTaken(file_name=file_name[:200], earlier=earlier.file_name, at=earlier.at.isoformat(timespec="seconds"))


def _member_write(policy: Policy, member: MemberDraft, now: datetime) -> None:
    values = {
        "organisation_id": policy.organisation_id,
        "relation": member.relation,
        "pre_existing": member.pre_existing,
        "basic_insurance": member.basic_insurance,
        "starts_on": member.starts_on or policy.starts_on,
        "ends_on": member.ends_on,
    }
    PolicyMember.objects.update_or_create(
        policy=policy, person_id=member.person_id, defaults=values, create_defaults={**values, "id": uuid7(now)}
    )


def _product(draft: PolicyDraft) -> Product:
    product = Product.objects.filter(code=draft.product_code).first()
    if product is None or not product.shares.filter(organisation_id=draft.organisation_id).exists():
        raise _invalid("product", f"{draft.product_code[:40]} is no product of this insurer", "不是本机构的产品")
    if product.currency != draft.currency:
        raise _invalid("currency", f"the product is in {product.currency}", f"该产品币种为 {product.currency}")
    return product


def _check(draft: PolicyDraft) -> None:
    if not draft.policy_no.strip() or len(draft.policy_no) > 60:
        raise _invalid("policy_no", "empty or longer than 60", "为空或超过 60 个字符")
    if draft.ends_on < draft.starts_on:
        raise _invalid("ends_on", "it lies before starts_on", "保险止期早于起期")
    if draft.first_started_on is not None and draft.first_started_on > draft.starts_on:
        raise _invalid("first_started_on", "it lies after starts_on", "首次投保日晚于保险起期")
    if type(draft.sum_insured_minor) is not int or not 0 < draft.sum_insured_minor <= LARGEST_MINOR:
        raise _invalid("sum_insured", "not an amount above zero", "须为大于零的金额")
    for member in draft.members:
        begins = member.starts_on or draft.starts_on
        if member.ends_on is not None and member.ends_on < begins:
            raise _invalid("member_ends_on", "it lies before the member's first day", "退保日早于加保日")


def _invalid(field: str, explanation: str, explanation_zh: str) -> PolicyInvalid:
    return PolicyInvalid(field=field, explanation=explanation, explanation_zh=explanation_zh)
