from django.apps import AppConfig


class PrereviewConfig(AppConfig):
    name = "prereview"
    default_auto_field = "django.db.models.BigAutoField"
