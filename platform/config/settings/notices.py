"""Messages that leave the platform: providers and sender's name. Where a reader is sent to is PUBLIC_URL."""

from config.settings import environment
from config.settings.apps import ROOT
from config.settings.security import ENVIRONMENT

_DEMO = ENVIRONMENT != "production"
# The class that hands an SMS to its provider (notices.senders.SmsSender). The demo's writes files.
SMS_SENDER = environment.text("MEDISETTLE_SMS_SENDER", f"notices.senders.{'FileSms' if _DEMO else 'NoSms'}")
OUTBOX_FOLDER = environment.text("MEDISETTLE_OUTBOX", str(ROOT / "var" / "outbox"))
EMAIL_BACKEND = "django.core.mail.backends." + ("filebased" if _DEMO else "smtp") + ".EmailBackend"
EMAIL_FILE_PATH = OUTBOX_FOLDER + "/email"
EMAIL_HOST = environment.text("MEDISETTLE_MAIL_HOST", "localhost")
EMAIL_TIMEOUT = 10
EMAIL_DOMAIN = environment.text("MEDISETTLE_MAIL_DOMAIN", "medisettle.example")
DEFAULT_FROM_EMAIL = f"MediSettle <no-reply@{EMAIL_DOMAIN}>"
