"""The only readers of accounts for others. Each says whose rows; row-level security stands behind it."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from accounts.models import AuditEntry, ClientKey, Organisation, User
from accounts.states import OrganisationKind
from core.errors import NotFound
from core.row_security import EVERYTHING

Seen = list[int] | str


def organisations_seen_by(*, user: User) -> Seen:
    """What the user's requests see: his own organisation, the shops of his chain too, EVERYTHING for the platform."""
    if user.organisation.kind == OrganisationKind.PLATFORM:
        return EVERYTHING
    children = Organisation.objects.filter(parent_id=user.organisation_id).values_list("pk", flat=True)
    return [user.organisation_id, *children]


def organisations_visible_to(*, user: User) -> QuerySet[Organisation]:
    """The user's organisations and, as that is no secret, all insurers."""
    seen = organisations_seen_by(user=user)
    if isinstance(seen, str):
        return Organisation.objects.all()
    return Organisation.objects.filter(
        Q(pk__in=seen) | Q(children__in=seen) | Q(kind=OrganisationKind.INSURER)
    ).distinct()


def users_visible_to(*, user: User) -> QuerySet[User]:
    """Colleagues."""
    seen = organisations_seen_by(user=user)
    return User.objects.all() if isinstance(seen, str) else User.objects.filter(organisation__in=seen)


def client_keys_visible_to(*, user: User) -> QuerySet[ClientKey]:
    """Keys of the user's organisations."""
    seen = organisations_seen_by(user=user)
    return ClientKey.objects.all() if isinstance(seen, str) else ClientKey.objects.filter(organisation__in=seen)


def audit_entries_visible_to(*, user: User) -> QuerySet[AuditEntry]:
    """Acts of the user's organisations, newest first."""
    seen = organisations_seen_by(user=user)
    entries = AuditEntry.objects.order_by("-id")
    return entries if isinstance(seen, str) else entries.filter(organisation_id__in=seen)


def organisation_by_code(*, code: str) -> Organisation | None:
    """The organisation of that code, if this database transaction sees it."""
    return Organisation.objects.filter(code=code).first()


def insurer_by_name(*, name: str) -> Organisation | None:
    """The one insurer of exactly this name, in either language; None where no or several have it."""
    found = Organisation.objects.filter(Q(name=name) | Q(name_zh=name), kind=OrganisationKind.INSURER)[:2]
    return found[0] if len(found) == 1 else None


def user_by_username(*, username: str) -> User | None:
    """The person who signs in with this name, if this database transaction sees him."""
    return User.objects.filter(username=username).first()


def organisation_time_zone(organisation_id: int) -> str:
    """The IANA name of the zone by whose calendar this organisation counts its days."""
    return Organisation.objects.values_list("time_zone", flat=True).get(pk=organisation_id)


def platform_id() -> int:
    """The organisation that runs this platform: whose money advances are. Raises NotFound while there is none."""
    found = Organisation.objects.filter(kind=OrganisationKind.PLATFORM).order_by("pk").values_list("pk", flat=True)
    platform = found.first()
    if platform is None:
        raise NotFound(noun="organisation", noun_zh="机构", key="platform")
    return platform


def chain_of(organisation_id: int) -> int:
    """The organisation that holds contract and account of this one: its parent, or itself. Raises NotFound."""
    row = Organisation.objects.filter(pk=organisation_id).first()
    if row is None:
        raise NotFound(noun="organisation", noun_zh="机构", key=organisation_id)
    return row.parent_id or row.pk


def organisation_names(organisation_id: int) -> tuple[str, str]:
    """The organisation's name and its Chinese one. Raises NotFound."""
    found = Organisation.objects.filter(pk=organisation_id).values_list("name", "name_zh").first()
    if found is None:
        raise NotFound(noun="organisation", noun_zh="机构", key=organisation_id)
    return found


def organisation_of_name(*, name: str) -> int | None:
    """The one organisation that is called exactly so, in either language."""
    found = Organisation.objects.filter(Q(name=name) | Q(name_zh=name)).values_list("pk", flat=True)[:2]
    return found[0] if len(found) == 1 else None
