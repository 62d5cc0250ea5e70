"""Vocabularies of accounts: kinds of organisations, roles of people, scopes of keys."""

from django.db import models


class OrganisationKind(models.TextChoices):
    HOSPITAL = "hospital"
    INSURER = "insurer"
    PHARMACY_CHAIN = "pharmacy_chain"
    PHARMACY_SHOP = "pharmacy_shop"
    TPA = "tpa"
    PLATFORM = "platform"


class Role(models.TextChoices):
    """What a user may do. Each portal names the roles it lets in."""

    HOSPITAL_CASHIER = "hospital_cashier"
    HOSPITAL_BACK_OFFICE = "hospital_back_office"
    INSURER_CLERK = "insurer_clerk"
    PHARMACIST = "pharmacist"
    REVIEWER = "reviewer"
    REVIEW_SUPERVISOR = "review_supervisor"
    OPERATOR = "operator"
    SYSTEM_ADMINISTRATOR = "system_administrator"
    SECURITY_ADMINISTRATOR = "security_administrator"
    AUDITOR = "auditor"


class Scope(models.TextChoices):
    """What a client key may do."""

    TRANSACTIONS_WRITE = "transactions:write"
    TRANSACTIONS_READ = "transactions:read"
    CLINICAL = "clinical"
    POLICIES_WRITE = "policies:write"
    CLAIMS_READ = "claims:read"
    MONEY_READ = "money:read"
    MONEY_WRITE = "money:write"
