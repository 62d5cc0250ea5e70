"""The only writers of accounts."""

from accounts.services.audit import audit_write
from accounts.services.audit_chain import AuditProof, audit_prove, audit_seal
from accounts.services.client_keys import (
    ClientKeyExpired,
    ClientKeyMissing,
    ClientKeyRevoked,
    ClientKeyUnknown,
    KeyHolder,
    OrganisationSuspended,
    client_key_check,
    client_key_create,
    client_key_revoke,
    client_key_rotate,
    client_keys_forget,
)
from accounts.services.organisations import organisation_create, organisation_resume, organisation_suspend
from accounts.services.users import user_create, user_deactivate, user_password_set, user_roles_set

__all__ = [
    "AuditProof",
    "ClientKeyExpired",
    "ClientKeyMissing",
    "ClientKeyRevoked",
    "ClientKeyUnknown",
    "KeyHolder",
    "OrganisationSuspended",
    "audit_prove",
    "audit_seal",
    "audit_write",
    "client_key_check",
    "client_key_create",
    "client_key_revoke",
    "client_key_rotate",
    "client_keys_forget",
    "organisation_create",
    "organisation_resume",
    "organisation_suspend",
    "user_create",
    "user_deactivate",
    "user_password_set",
    "user_roles_set",
]
