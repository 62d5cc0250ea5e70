"""How claims travel to insurers' own systems and what came back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import QuerySet

from accounts.selectors import organisations_seen_by
from core.crypto import unseal
from core.row_security import EVERYTHING
from exchange.selectors.interfaces import Interface, interfaces
from insurers.models import CallbackKey, ClaimPush, InboundMessage, Onboarding, OpenedModule
from insurers.states import Module, OnboardingState

if TYPE_CHECKING:
    from accounts.models import User

# In these an insurer's system is really called.
CALLED_IN = (OnboardingState.SANDBOX, OnboardingState.CERTIFIED, OnboardingState.LIVE)


def interface_for_claims(*, organisation_id: int) -> Interface | None:
    """Where this insurer takes pushed claims; None for one that works in the portal only. Role worker only."""
    is_called = Onboarding.objects.filter(organisation_id=organisation_id, state__in=CALLED_IN).exists()
    if not is_called or not module_is_open(organisation_id=organisation_id, module=Module.CLAIM):
        return None
    own = [one for one in interfaces().values() if one.insurer_id == organisation_id and one.dialect == "native"]
    return min(own, key=lambda one: one.code, default=None)


def module_is_open(*, organisation_id: int, module: Module) -> bool:
    """Whether the insurer has switched this module on."""
    return OpenedModule.objects.filter(organisation_id=organisation_id, module=module, closed_at__isnull=True).exists()


def decision_messages(*, digests: Collection[str]) -> dict[str, InboundMessage]:
    """Verified messages by the digest of their body, insurers at hand; what a decision keeps of the one it came in."""
    rows = InboundMessage.objects.filter(digest__in=digests, verified=True).select_related("organisation")
    return {row.digest: row for row in rows.order_by("received_at")}


def callback_secrets(*, organisation_id: int) -> Mapping[str, bytes]:
    """The live secrets with which this insurer signs what it sends, by key id. Two while one replaces the other."""
    keys = CallbackKey.objects.filter(organisation_id=organisation_id, retired_at__isnull=True)
    return {
        key.key_id: unseal(key.sealed_secret, context=callback_context(organisation_id, key.key_id)) for key in keys
    }


def callback_context(organisation_id: int, key_id: str) -> str:
    """What binds a sealed secret to its place."""
    return f"callback_key:{organisation_id}:{key_id}"


def pushes_of(*, claim_id: UUID, user: User) -> QuerySet[ClaimPush]:
    """How a claim was put before the insurer's own system, newest first."""
    seen = organisations_seen_by(user=user)
    rows = ClaimPush.objects.filter(claim_id=claim_id).prefetch_related("messages").order_by("-round")
    return rows if seen == EVERYTHING else rows.filter(organisation_id__in=seen)


def inbound_of(*, claim_no: str) -> QuerySet[InboundMessage]:
    """What was told about a claim and understood as such, in the order in which it came."""
    return InboundMessage.objects.filter(claim__claim_no=claim_no).order_by("received_at", "pk")


def inbound_visible_to(*, user: User) -> QuerySet[InboundMessage]:
    """What came in the name of the user's insurer, newest first."""
    seen = organisations_seen_by(user=user)
    rows = InboundMessage.objects.select_related("claim").order_by("-received_at", "-pk")
    return rows if seen == EVERYTHING else rows.filter(organisation_id__in=seen)
