"""Tables of the patients' side, one file per noun."""

from patients.models.accounts import PatientAccount, SignInCode
from patients.models.consents import ConsentRecord
from patients.models.conversations import Conversation, Message
from patients.models.helpers import HelperGrant

__all__ = ["ConsentRecord", "Conversation", "HelperGrant", "Message", "PatientAccount", "SignInCode"]
