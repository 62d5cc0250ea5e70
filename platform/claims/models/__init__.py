"""Tables of the claim and of what all its parties act on, one file per noun."""

from claims.models.claim import Claim, ClaimLease, ClaimLine, ClaimParty
from claims.models.decision import Decision, MaterialsRequest
from claims.models.document import Document, DocumentPage
from claims.models.timeline import ClaimClock, ClaimEvent

__all__ = [
    "Claim",
    "ClaimClock",
    "ClaimEvent",
    "ClaimLease",
    "ClaimLine",
    "ClaimParty",
    "Decision",
    "Document",
    "DocumentPage",
    "MaterialsRequest",
]
