"""Policies as an insurer tells them: one by one, or as a file that is taken whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from itertools import batched
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, IntegrityError, transaction

from core.bulk import rows_insert
from core.errors import Conflict, Problem
from core.ids import uuid7
from core.money import LARGEST_MINOR
from registry.models import Policy, PolicyImport, PolicyMember, Product
from registry.policy_files import rows_read
from registry.policy_rows import ERRORS_KEPT, PolicyRow, RowError, policy_rows
from registry.services.persons import PersonDraft, PersonInvalid, person_check, persons_register
from registry.states import PolicyState, Relation

if TYPE_CHECKING:
    from accounts.models import Organisation

# The driver's work for one statement grows with the square of its parameters.
AT_ONCE = 500
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


@dataclass(frozen=True, slots=True)
class _Book:
    """What the insurer has of these policies already, locked, and the products that it carries."""

    organisation_id: int
    products: Mapping[str, Product]
    policies: Mapping[str, Policy]


@transaction.atomic
def policy_write(*, draft: PolicyDraft, now: datetime) -> Policy:
    """Add a policy, or bring it to what its insurer now says; members that are not named stay. Raises PolicyInvalid."""
    book = _book(draft.organisation_id, [draft])
    _check(draft, book)
    return _write(book, [draft], now)[0]


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
    """Write everything in a few statements; nothing with an error, and nothing that stays on a dry run."""
    people = [PersonDraft(**row.person) for row in rows]
    errors = _faults((row, partial(person_check, draft=one, now=now)) for row, one in zip(rows, people, strict=True))
    policies = list(_by_policy(rows).values())
    with transaction.atomic():
        bare = [_draft(organisation_id, together, {}) for together in policies]
        book = _book(organisation_id, bare)
        for draft, together in zip(bare, policies, strict=True):
            errors += _faults([(together[0], partial(_check, draft, book))])
            days = ((row, row.member.get("starts_on"), row.member.get("ends_on")) for row in together)
            errors += _faults((row, partial(_days_check, draft, *both)) for row, *both in days)
        if not errors:
            persons = persons_register(drafts=people, now=now)
            ids = {row.number: person.pk for row, person in zip(rows, persons, strict=True)}
            errors += [error for together in policies for error in _named_twice(together, ids)]
        if not errors:
            for part in batched(policies, AT_ONCE):
                _write(book, [_draft(organisation_id, together, ids) for together in part], now)
        if errors or dry_run:
            transaction.set_rollback(True)
    return sorted(errors, key=lambda error: error.row)


def _named_twice(rows: list[PolicyRow], person_ids: Mapping[int, UUID]) -> list[RowError]:
    """One human being on one policy under two identities, of which we know that they are one."""
    first: dict[UUID, int] = {}
    twice = [(row, first.setdefault(person_ids[row.number], row.number)) for row in rows]
    return [
        RowError(row.number, "id_no", "duplicate", f"the same person as in row {at}", f"与第 {at} 行为同一人")
        for row, at in twice
        if at != row.number
    ]


def _by_policy(rows: list[PolicyRow]) -> dict[str, list[PolicyRow]]:
    policies: dict[str, list[PolicyRow]] = {}
    for row in rows:
        policies.setdefault(row.policy_no, []).append(row)
    return policies


def _draft(organisation_id: int, rows: list[PolicyRow], person_ids: Mapping[int, UUID]) -> PolicyDraft:
    """The policy that these rows tell of; without `person_ids`, without its members."""
    members = tuple(MemberDraft(person_id=person_ids[row.number], **row.member) for row in rows if person_ids)
    return PolicyDraft(organisation_id=organisation_id, policy_no=rows[0].policy_no, members=members, **rows[0].policy)


def _faults(checks: Iterable[tuple[PolicyRow, Callable[[], None]]]) -> list[RowError]:
    errors = []
    for row, check in checks:
        try:
            check()
        except (PersonInvalid, PolicyInvalid) as error:
            told = {name: str(value) for name, value in error.fields.items()}
            errors.append(RowError(row.number, told["field"], error.code, told["explanation"], told["explanation_zh"]))
    return errors


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


def _book(organisation_id: int, drafts: Sequence[PolicyDraft]) -> _Book:
    codes, numbers = {draft.product_code for draft in drafts}, {draft.policy_no for draft in drafts}
    products = Product.objects.filter(code__in=codes, shares__organisation_id=organisation_id)
    known: dict[str, Policy] = {}
    for part in batched(sorted(numbers), AT_ONCE):
        rows = Policy.objects.select_for_update().filter(organisation_id=organisation_id, policy_no__in=part)
        known |= {policy.policy_no: policy for policy in rows.order_by("policy_no")}
    return _Book(organisation_id, {product.code: product for product in products}, known)


def _write(book: _Book, drafts: Sequence[PolicyDraft], now: datetime) -> list[Policy]:
    """The policies as the drafts say, which are checked."""
    policies = [_filled(book, draft, now) for draft in drafts]
    rows_insert([policy for policy in policies if policy._state.adding])
    for policy in policies:
        if policy._state.adding:
            policy._state.adding, policy._state.db = False, DEFAULT_DB_ALIAS
        else:
            policy.version += 1
            policy.save(force_update=True)
    _members_write(
        [(policy, one) for policy, draft in zip(policies, drafts, strict=True) for one in draft.members], now
    )
    return policies


def _filled(book: _Book, draft: PolicyDraft, now: datetime) -> Policy:
    policy = book.policies.get(draft.policy_no) or Policy(
        id=uuid7(now),
        organisation_id=draft.organisation_id,
        policy_no=draft.policy_no,
        product=book.products[draft.product_code],
        created_at=now,
    )
    policy.state, policy.starts_on, policy.ends_on = draft.state, draft.starts_on, draft.ends_on
    policy.first_started_on = draft.first_started_on or draft.starts_on
    policy.sum_insured_minor, policy.currency = draft.sum_insured_minor, draft.currency
    return policy


def _members_write(pairs: Sequence[tuple[Policy, MemberDraft]], now: datetime) -> None:
    """New members in one statement; of those who are there, what differs."""
    there = PolicyMember.objects.filter(policy__in=[policy.pk for policy, _ in pairs])
    known = {(row.policy_id, row.person_id): row for row in there.select_for_update().order_by("id")}
    fresh: list[PolicyMember] = []
    for policy, member in pairs:
        values = {
            "organisation_id": policy.organisation_id,
            "relation": member.relation,
            "pre_existing": member.pre_existing,
            "basic_insurance": member.basic_insurance,
            "starts_on": member.starts_on or policy.starts_on,
            "ends_on": member.ends_on,
        }
        row = known.get((policy.pk, member.person_id))
        if row is None:
            fresh.append(PolicyMember(id=uuid7(now), policy=policy, person_id=member.person_id, **values))
        elif any(getattr(row, name) != value for name, value in values.items()):
            for name, value in values.items():
                setattr(row, name, value)
            row.save(force_update=True)
    rows_insert(fresh)


def _check(draft: PolicyDraft, book: _Book) -> None:
    """Raises PolicyInvalid."""
    product, known = book.products.get(draft.product_code), book.policies.get(draft.policy_no)
    if product is None:
        raise _invalid("product", f"{draft.product_code[:40]} is no product of this insurer", "不是本机构的产品")
    if product.currency != draft.currency:
        raise _invalid("currency", f"the product is in {product.currency}", f"该产品币种为 {product.currency}")
    if known is not None and (known.product_id, known.currency) != (product.pk, draft.currency):
        raise _invalid("product", "the policy is one of another product", "该保单属于其他产品或币种")
    if not draft.policy_no.strip() or len(draft.policy_no) > 60:
        raise _invalid("policy_no", "empty or longer than 60", "为空或超过 60 个字符")
    if draft.ends_on < draft.starts_on:
        raise _invalid("ends_on", "it lies before starts_on", "保险止期早于起期")
    if draft.first_started_on is not None and draft.first_started_on > draft.starts_on:
        raise _invalid("first_started_on", "it lies after starts_on", "首次投保日晚于保险起期")
    if type(draft.sum_insured_minor) is not int or not 0 < draft.sum_insured_minor <= LARGEST_MINOR:
        raise _invalid("sum_insured", "not an amount above zero", "须为大于零的金额")
    for member in draft.members:
        _days_check(draft, member.starts_on, member.ends_on)


def _days_check(draft: PolicyDraft, starts_on: date | None, ends_on: date | None) -> None:
    if ends_on is not None and ends_on < (starts_on or draft.starts_on):
        raise _invalid("member_ends_on", "it lies before the member's first day", "退保日早于加保日")


def _invalid(field: str, explanation: str, explanation_zh: str) -> PolicyInvalid:
    return PolicyInvalid(field=field, explanation=explanation, explanation_zh=explanation_zh)
