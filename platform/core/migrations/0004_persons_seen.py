"""A patient belongs to no organisation: what his requests see goes by the persons he may act for."""

from django.db import migrations

SQL = """
-- The persons whose rows this transaction may see: set_config('medisettle.persons', '<uuid>,<uuid>', true).
CREATE FUNCTION core_persons() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN current_setting('medisettle.persons', true) ~ '^[0-9a-f,-]+$'
        THEN string_to_array(current_setting('medisettle.persons', true), ',')::uuid[]
        ELSE '{}'::uuid[] END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0003_core_row_security")]
    operations = [migrations.RunSQL(SQL, elidable=False)]
