from django.db import migrations

SQL = """
SELECT core_protect('core_transition', 'organisation_id = ANY (core_organisations())', 'SELECT');
SELECT core_append_only('core_transition');
-- The log is written by the trigger alone; it runs as its owner, so nobody else needs the privilege.
REVOKE INSERT ON core_transition FROM medisettle_worker;
-- Organisation 0 is the platform itself: the key of the blind index.
SELECT core_protect('core_datakey',
    'organisation_id = 0 OR organisation_id = ANY (core_organisations())', 'SELECT, INSERT');
GRANT USAGE ON SEQUENCE core_datakey_id_seq TO medisettle_app, medisettle_worker;
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0002_tables")]
    operations = [migrations.RunSQL(SQL, elidable=False)]
