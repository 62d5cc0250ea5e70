"""Tables of master data, one file per noun. Everything of job B points down to these."""

from registry.models.authorisations import Authorisation, Prescription
from registry.models.benefits import BenefitAccount, BenefitMove
from registry.models.drugs import Drug
from registry.models.persons import Guardian, Person, PersonMerge
from registry.models.policies import Policy, PolicyImport, PolicyMember
from registry.models.products import Product, ProductShare, Terms
from registry.models.shops import Shop, ShopDrug

__all__ = [
    "Authorisation",
    "BenefitAccount",
    "BenefitMove",
    "Drug",
    "Guardian",
    "Person",
    "PersonMerge",
    "Policy",
    "PolicyImport",
    "PolicyMember",
    "Prescription",
    "Product",
    "ProductShare",
    "Shop",
    "ShopDrug",
    "Terms",
]
