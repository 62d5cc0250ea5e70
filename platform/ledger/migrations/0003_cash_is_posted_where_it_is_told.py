"""Cash that a hospital tells is posted in the commit that stores it: by role app, in the hospital's own books only."""

from django.db import migrations

SQL = """
GRANT INSERT ON ledger_book, ledger_account, ledger_posting, ledger_leg TO medisettle_app;
CREATE POLICY app_keeps_the_memo_book ON ledger_posting AS RESTRICTIVE FOR INSERT TO medisettle_app
    WITH CHECK (cause_kind LIKE 'exchange.%');
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_ledger_guards")]
    operations = [migrations.RunSQL(SQL, elidable=False)]
