"""Tables of the insurers' side, one file per noun."""

from insurers.models.authority import Authority, WaitingDecision
from insurers.models.docking import CallbackKey, ClaimPush, InboundMessage, PushMessage
from insurers.models.onboarding import Condition, Onboarding, OpenedModule, StageGrant

__all__ = [
    "Authority",
    "CallbackKey",
    "ClaimPush",
    "Condition",
    "InboundMessage",
    "Onboarding",
    "OpenedModule",
    "PushMessage",
    "StageGrant",
    "WaitingDecision",
]
