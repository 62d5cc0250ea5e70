"""Who sees what a patient wishes of shops, and the tries of a shop; neither is forgotten."""

from django.db import migrations

SQL = """
SELECT core_protect('pharmacies_shopwish', 'person_id = ANY (core_persons())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('pharmacies_codetry', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT');
SELECT core_append_only('pharmacies_codetry');
"""


class Migration(migrations.Migration):
    dependencies = [("pharmacies", "0004_shop_wishes_codes_shown_supply_taken_back")]
    operations = [migrations.RunSQL(SQL, elidable=False)]
