"""Waking a job waits for nobody: who claims locks the job first and the bill then, who wakes holds the bill already."""

from django.db import migrations

SQL = """
-- A job that somebody holds is left to him: he reads the transaction after the lock that the waker still holds.
CREATE OR REPLACE FUNCTION journal_jobs_wake(subjects uuid[], kinds text[], due_at timestamptz) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH free AS (
        SELECT job.id FROM journal_job job
        JOIN unnest(subjects, kinds) AS wanted (subject, kind)
            ON job.subject_id = wanted.subject AND job.kind = wanted.kind
        WHERE job.lease_token IS NULL
            AND (core_everything() OR job.organisation_id = ANY (core_organisations())
                OR current_setting('role', true) = 'medisettle_worker')
        ORDER BY job.id FOR UPDATE OF job SKIP LOCKED
    )
    UPDATE journal_job job SET run_at = least(job.run_at, due_at), parked_at = NULL, parked_reason = ''
    FROM free WHERE job.id = free.id
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("journal", "0003_jobs_wake")]
    operations = [migrations.RunSQL(SQL, elidable=False)]
