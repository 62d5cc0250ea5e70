"""Who sees which notice. A message to a number whose owner is not known yet is written by web processes, never read."""

from django.db import migrations

SQL = """
SELECT core_protect('notices_notice', 'person_id = ANY (core_persons())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('notices_preference', 'person_id = ANY (core_persons())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('notices_delivery',
    'EXISTS (SELECT 1 FROM notices_notice notice WHERE notice.id = notice_id)', 'SELECT, INSERT');
CREATE POLICY a_message_to_nobody_known ON notices_delivery FOR INSERT TO medisettle_app
    WITH CHECK (notice_id IS NULL AND state = 'QUEUED');
CREATE FUNCTION notices_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER what_was_told_is_fixed BEFORE UPDATE ON notices_notice FOR EACH ROW WHEN (
    (OLD.id, OLD.person_id, OLD.kind, OLD.cause, OLD.subject, OLD."values", OLD.created_at)
    IS DISTINCT FROM (NEW.id, NEW.person_id, NEW.kind, NEW.cause, NEW.subject, NEW."values", NEW.created_at)
) EXECUTE FUNCTION notices_refuse_change('what a person was told does not change');
CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON notices_notice FOR EACH ROW
    EXECUTE FUNCTION notices_refuse_change('notices are never deleted');
CREATE POLICY sending_is_for_all ON journal_job FOR INSERT TO medisettle_app
    WITH CHECK (kind = 'notices.send' AND organisation_id = 0);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("notices", "0001_notices_deliveries_preferences"),
        ("core", "0004_persons_seen"),
        ("journal", "0006_lookers"),
    ]
    operations = [migrations.RunSQL(SQL, elidable=False)]
