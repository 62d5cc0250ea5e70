"""Installed apps, middleware, templates, languages, API."""

from pathlib import Path

from config.settings import environment

ROOT = Path(__file__).resolve().parents[3]
PROFILE = environment.choice("MEDISETTLE_PROFILE", ("edge", "core", "public", "all"), "all")
INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "adrf",
    "drf_spectacular",
    "core",
    "accounts",
    "journal",
    "ledger",
    "registry",
    "exchange",
    "claims",
    "notices",
    "portal",
    "hospitals",
    "insurers",
    "pharmacies",
    "patients",
    "prereview",
    "settlement",
    "ops",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "accounts.middleware.RowSecurityMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "/static/"
STATIC_ROOT = ROOT / "var" / "static"
# Patients' papers, sealed before they get here. Any storage of Django's interface will do.
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": ROOT / "var" / "files"},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "documents": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": environment.text("MEDISETTLE_DOCUMENTS", str(ROOT / "var" / "documents"))},
    },
}
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [ROOT / "platform" / "portal" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = environment.text("MEDISETTLE_TIME_ZONE", "Asia/Shanghai")
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "core.problems.problem_response",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "MediSettle hospital interface",
    "DESCRIPTION": "What a hospital's or pharmacy's systems call. docs/his-api.md tells it in prose.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "ENUM_NAME_OVERRIDES": {
        "VerdictEnum": "exchange.states.VerdictWord",
        "StateEnum": "exchange.states.TransactionState",
        "ClaimStateEnum": "claims.states.ClaimState",
        "ClaimKindEnum": "registry.states.ClaimKind",
        "DocumentKindEnum": "registry.states.DocumentKind",
        "PartyRoleEnum": "claims.states.PartyRole",
        "CounterpartyRoleEnum": "settlement.states.CounterpartyRole",
        "StatementStateEnum": "settlement.states.StatementState",
    },
    "SERVE_INCLUDE_SCHEMA": False,
}
