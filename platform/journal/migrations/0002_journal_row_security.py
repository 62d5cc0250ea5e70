"""Role app adds the first job of what it stores, and reads no job. Groups and lanes are no secret."""

from django.db import migrations

SQL = """
SELECT core_protect('journal_workergroup', 'true', 'SELECT');
SELECT core_protect('journal_lane', 'true', 'SELECT');
SELECT core_protect('journal_job', 'organisation_id = ANY (core_organisations())', 'INSERT');
-- Whoever adds a job may not sign it or park it.
CREATE POLICY app_adds_fresh_jobs ON journal_job AS RESTRICTIVE FOR INSERT TO medisettle_app
    WITH CHECK (lease_token IS NULL AND parked_at IS NULL AND attempts = 0);
-- Finished jobs are deleted at the rate of the work itself: clear them away early, or claims wade through dead rows.
ALTER TABLE journal_job SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, fillfactor = 70);
"""


class Migration(migrations.Migration):
    dependencies = [("journal", "0001_jobs_lanes_groups"), ("accounts", "0002_accounts_row_security")]
    operations = [migrations.RunSQL(SQL, elidable=False)]
