"""Whether a key is that of a person one sees is one look at his row, not a walk over all persons."""

from django.db import migrations

SQL = """
DROP POLICY persons_keys ON core_datakey;
CREATE POLICY persons_keys ON core_datakey TO medisettle_app USING (
    CASE WHEN scope ~ '^person:[0-9a-f-]{36}$' THEN EXISTS (
        SELECT 1 FROM registry_person person WHERE person.id = substring(scope FROM 8)::uuid)
    ELSE false END
) WITH CHECK (scope LIKE 'person:%');
"""


class Migration(migrations.Migration):
    dependencies = [("registry", "0004_who_writes_master_data")]
    operations = [migrations.RunSQL(SQL, elidable=False)]
