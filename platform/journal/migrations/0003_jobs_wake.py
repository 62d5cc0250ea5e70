"""Role app reads no job, but may say that one of its own organisation's is due now."""

from django.db import migrations

SQL = """
-- A job that somebody holds is left to him: he sees the new state when he concludes.
CREATE FUNCTION journal_jobs_wake(subjects uuid[], kinds text[], due_at timestamptz) RETURNS void LANGUAGE sql VOLATILE
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    UPDATE journal_job job SET run_at = least(job.run_at, due_at), parked_at = NULL, parked_reason = ''
    FROM unnest(subjects, kinds) AS wanted (subject, kind)
    WHERE job.subject_id = wanted.subject AND job.kind = wanted.kind AND job.lease_token IS NULL
        AND (core_everything() OR job.organisation_id = ANY (core_organisations())
            OR current_setting('role', true) = 'medisettle_worker')
$$;
REVOKE ALL ON FUNCTION journal_jobs_wake(uuid[], text[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journal_jobs_wake(uuid[], text[], timestamptz) TO medisettle_app, medisettle_worker;
GRANT CREATE ON SCHEMA public TO medisettle_worker;
ALTER FUNCTION journal_jobs_wake(uuid[], text[], timestamptz) OWNER TO medisettle_worker;
REVOKE CREATE ON SCHEMA public FROM medisettle_worker;
"""


class Migration(migrations.Migration):
    dependencies = [("journal", "0002_journal_row_security")]
    operations = [migrations.RunSQL(SQL, elidable=False)]
