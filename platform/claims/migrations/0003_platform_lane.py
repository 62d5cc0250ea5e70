"""A lane and a worker group for work without network, and the right of whoever acts on a claim to hand it on."""

from django.db import migrations

LANE = """
INSERT INTO journal_workergroup (code, hosts, concurrency) VALUES ('platform', '[]', 2) ON CONFLICT DO NOTHING;
INSERT INTO journal_lane (code, group_id, cap_in_flight, paused_reason)
SELECT 'platform', id, 200, '' FROM journal_workergroup WHERE code = 'platform' ON CONFLICT DO NOTHING;
"""

ACCESS = """
-- Patients and administrators add jobs about claims they see; those jobs are the lead insurer's.
CREATE POLICY through_a_claim ON journal_job FOR INSERT TO medisettle_app WITH CHECK (
    EXISTS (SELECT 1 FROM claims_claim claim WHERE claim.organisation_id = journal_job.organisation_id));
"""


class Migration(migrations.Migration):
    dependencies = [("claims", "0002_claims_guards"), ("journal", "0006_lookers")]
    operations = [migrations.RunSQL(sql, elidable=False) for sql in (LANE, ACCESS)]
