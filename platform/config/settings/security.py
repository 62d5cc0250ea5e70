"""Keys, cookies, headers and passwords."""

from config.settings import environment

ENVIRONMENT = environment.choice("MEDISETTLE_ENV", ("production", "demo", "test"), "production")
SECRET_KEY = environment.text("MEDISETTLE_SECRET_KEY")
MASTER_KEYS = environment.master_keys("MEDISETTLE_MASTER_KEYS")
DEBUG = False
ALLOWED_HOSTS = environment.words(
    "MEDISETTLE_HOSTS", "" if ENVIRONMENT == "production" else "127.0.0.1,localhost,testserver"
)
CSRF_TRUSTED_ORIGINS = environment.words("MEDISETTLE_ORIGINS")
_HTTPS = ENVIRONMENT == "production"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
SECURE_SSL_REDIRECT = _HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 31536000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.StaffBackend"]
