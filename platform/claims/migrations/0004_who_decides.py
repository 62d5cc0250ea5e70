"""Seeing is not deciding: a claim is leased, asked about and decided by whoever works it, never by its patient."""

from django.db import migrations

WORKING = """core_everything() OR EXISTS (SELECT 1 FROM claims_claimparty party WHERE party.claim_id = {table}.claim_id
    AND party.role IN ('LEAD_INSURER', 'ADMINISTRATOR') AND party.until IS NULL
    AND party.organisation_id = ANY (core_organisations()))"""


def added_by_who_works_it(table: str) -> str:
    return (
        f"CREATE POLICY who_works_it_adds ON {table} AS RESTRICTIVE FOR INSERT TO medisettle_app "
        f"WITH CHECK ({WORKING.format(table=table)});"
    )


SQL = "\n".join(map(added_by_who_works_it, ("claims_decision", "claims_materialsrequest", "claims_claimlease")))


class Migration(migrations.Migration):
    dependencies = [("claims", "0003_platform_lane")]
    operations = [migrations.RunSQL(SQL, elidable=False)]
