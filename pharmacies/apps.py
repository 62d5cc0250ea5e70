from django.apps import AppConfig


class PharmaciesConfig(AppConfig):
    name = "pharmacies"
    default_auto_field = "django.db.models.BigAutoField"
