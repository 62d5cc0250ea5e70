"""Whether somebody will look after a subject: asked by the monitor in the same statement that finds the subject."""

from django.db import migrations

SQL = """
-- A job that is parked since before `parked_since` looks after nothing. Role worker only: role app reads no job.
CREATE FUNCTION journal_looks_after(subject uuid, kinds text[], parked_since timestamptz) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM journal_job job WHERE job.subject_id = subject AND job.kind = ANY (kinds)
        AND (job.parked_at IS NULL OR job.parked_at >= parked_since))
$$;
REVOKE ALL ON FUNCTION journal_looks_after(uuid, text[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journal_looks_after(uuid, text[], timestamptz) TO medisettle_worker;
CREATE INDEX jobs_parked ON journal_job (parked_at) WHERE parked_at IS NOT NULL;
"""


class Migration(migrations.Migration):
    dependencies = [("journal", "0004_jobs_wake_waits_for_nobody")]
    operations = [migrations.RunSQL(SQL, elidable=False)]
