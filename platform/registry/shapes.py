"""What the registry's interface tells and takes: for rendering, and for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from registry.models import Drug, Product, ProductShare, Terms
from registry.policy_files import FILE_BYTES
from registry.states import ClaimKind, ConfirmationMode, DocumentKind
from registry.terms import Material, TermsOfProduct

PAGE_LIMIT = 100


class PageRequest(serializers.Serializer[Any]):
    after = serializers.CharField(required=False, default="", allow_blank=True, max_length=40)
    limit = serializers.IntegerField(required=False, default=50, min_value=1, max_value=PAGE_LIMIT)


class DayRequest(serializers.Serializer[Any]):
    on = serializers.DateField(required=False, default=None, allow_null=True)


class ChecklistRequest(DayRequest):
    drug = serializers.CharField(max_length=40)
    kind = serializers.ChoiceField(choices=ClaimKind.choices, required=False, default=ClaimKind.FIRST)


class DrugShape(serializers.Serializer[Any]):
    code = serializers.CharField()
    national_code = serializers.CharField()
    generic_name = serializers.CharField()
    generic_name_zh = serializers.CharField()
    brand = serializers.CharField()
    brand_zh = serializers.CharField()
    specification = serializers.CharField()
    unit = serializers.CharField()
    origin = serializers.CharField()
    cold_chain = serializers.BooleanField()
    infusion_only = serializers.BooleanField()
    reference_price_minor = serializers.IntegerField(help_text="Per unit, minor units.")
    currency = serializers.CharField()


class DrugsPage(serializers.Serializer[Any]):
    items = DrugShape(many=True)
    next = serializers.CharField(allow_null=True, help_text="`after` of the next page.")


class ProductShape(serializers.Serializer[Any]):
    code = serializers.CharField()
    insurer = serializers.CharField(help_text="Code of the lead insurer.")
    name = serializers.CharField()
    name_zh = serializers.CharField()
    summary = serializers.CharField()
    summary_zh = serializers.CharField()
    currency = serializers.CharField()
    time_zone = serializers.CharField()
    offered_from = serializers.DateField()
    offered_until = serializers.DateField(allow_null=True)


class ProductsPage(serializers.Serializer[Any]):
    items = ProductShape(many=True)
    next = serializers.CharField(allow_null=True, help_text="`after` of the next page.")


class ProductShareShape(serializers.Serializer[Any]):
    insurer = serializers.CharField()
    basis_points = serializers.IntegerField()
    leads = serializers.BooleanField()


class ListedShape(serializers.Serializer[Any]):
    drug = serializers.CharField()
    category = serializers.CharField()
    cap_minor = serializers.IntegerField(allow_null=True, help_text="Per policy year.")
    indications = serializers.ListField(child=serializers.CharField(), help_text="ICD-10, or beginnings of it.")
    clause = serializers.CharField()
    clause_zh = serializers.CharField()


class TermsShape(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    effective_from = serializers.DateField()
    confirmation_mode = serializers.ChoiceField(choices=ConfirmationMode.choices)
    waiting_days = serializers.IntegerField()
    grace_days = serializers.IntegerField()
    deductible_minor = serializers.IntegerField()
    annual_cap_minor = serializers.IntegerField(allow_null=True)
    drugs = ListedShape(many=True)


class ProductAnswer(ProductShape):
    on = serializers.DateField(help_text="The day asked for; without one, today in the product's time zone.")
    shares = ProductShareShape(many=True)
    terms = TermsShape(allow_null=True, help_text="In force on that day.")


class MaterialShape(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=DocumentKind.choices)
    maximum_age_days = serializers.IntegerField(allow_null=True)
    hint = serializers.CharField()
    hint_zh = serializers.CharField()


class ChecklistAnswer(serializers.Serializer[Any]):
    product = serializers.CharField()
    drug = serializers.CharField()
    kind = serializers.ChoiceField(choices=ClaimKind.choices)
    on = serializers.DateField()
    terms_number = serializers.IntegerField()
    materials = MaterialShape(many=True)


class TotalsShape(serializers.Serializer[Any]):
    """The sender's control totals; one that is left out is not compared."""

    rows = serializers.IntegerField(required=False, min_value=0)
    policies = serializers.IntegerField(required=False, min_value=0)
    sum_insured_minor = serializers.IntegerField(required=False, min_value=0)


class ImportRequest(TotalsShape):
    file = serializers.FileField(help_text=f"XLSX or CSV, at most {FILE_BYTES // 1024**2} MB.")
    dry_run = serializers.BooleanField(required=False, default=False)


class RowFault(serializers.Serializer[Any]):
    row = serializers.IntegerField(help_text="As a spreadsheet shows it; 0: the file as a whole.")
    column = serializers.CharField()
    code = serializers.CharField()
    text = serializers.CharField()
    text_zh = serializers.CharField()


class CountedShape(serializers.Serializer[Any]):
    counted = TotalsShape()
    told = TotalsShape()


class ImportAnswer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    file_name = serializers.CharField()
    dry_run = serializers.BooleanField()
    rows = serializers.IntegerField()
    taken = serializers.IntegerField(help_text="All rows, or none.")
    row_errors = RowFault(many=True, source="errors")
    totals = CountedShape()


def product_shown(product: Product) -> dict[str, Any]:
    names = ("code", "name", "name_zh", "summary", "summary_zh", "currency", "time_zone")
    shown: dict[str, Any] = {name: getattr(product, name) for name in names}
    until = product.offered_until
    return shown | {
        "insurer": product.organisation.code,
        "offered_from": product.offered_from.isoformat(),
        "offered_until": until.isoformat() if until is not None else None,
    }


def drug_shown(drug: Drug) -> dict[str, Any]:
    return dict(DrugShape(drug).data)


def share_shown(share: ProductShare) -> dict[str, Any]:
    return {"insurer": share.organisation.code, "basis_points": share.basis_points, "leads": share.leads}


def terms_shown(terms: Terms, read: TermsOfProduct) -> dict[str, Any]:
    names = ("confirmation_mode", "waiting_days", "grace_days", "deductible_minor", "annual_cap_minor", "drugs")
    values = {name: getattr(read, name) for name in names}
    return dict(TermsShape({"number": terms.number, "effective_from": terms.effective_from, **values}).data)


def material_shown(material: Material) -> dict[str, Any]:
    return dict(MaterialShape(material).data)
