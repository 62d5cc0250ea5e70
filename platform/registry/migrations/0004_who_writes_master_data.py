"""Seeing is not writing: a patient sees his policy, and his insurer alone changes it; likewise what else is not his."""

from django.db import migrations

BY_INSURER = "core_everything() OR organisation_id = ANY (core_organisations())"
BY_PLATFORM = "core_everything()"
BY_HIMSELF = "core_everything() OR id = ANY (core_persons())"


def writes(table: str, who: str, *, adding: bool = True) -> str:
    sql = f"CREATE POLICY its_owner_changes ON {table} AS RESTRICTIVE FOR UPDATE TO medisettle_app USING ({who});"
    if adding:
        sql += (
            f"CREATE POLICY its_owner_adds ON {table} AS RESTRICTIVE FOR INSERT TO medisettle_app WITH CHECK ({who});"
        )
    return sql


SQL = "\n".join(
    [
        writes("registry_policy", BY_INSURER),
        writes("registry_policymember", BY_INSURER),
        writes("registry_authorisation", BY_INSURER),
        writes("registry_guardian", BY_PLATFORM),
        # Registering goes over all persons and sees everything for that moment.
        writes("registry_person", BY_HIMSELF, adding=False),
    ]
)


class Migration(migrations.Migration):
    dependencies = [("registry", "0003_counts_shares_undone_merges")]
    operations = [migrations.RunSQL(SQL, elidable=False)]
