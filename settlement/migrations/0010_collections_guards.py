"""What must never be false of collections, held by PostgreSQL; and who sees what."""

from django.db import migrations

FIXED = """
-- Of a transfer as much is matched as its allocations say, and so much is left in suspense.
CREATE FUNCTION settlement_entry_adds_up() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    wrong integer;
BEGIN
    SELECT count(*) INTO wrong FROM settlement_bankentry e
    JOIN settlement_suspenseitem s ON s.entry_id = e.id
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(CASE WHEN (kind = 'COLLECT') = (undoes_id IS NULL) THEN amount_minor
            ELSE -amount_minor END), 0) AS matched
        FROM settlement_allocation WHERE entry_id = e.id) a ON true
    WHERE e.id = (to_jsonb(NEW) ->> 'entry_id')::uuid
        AND (e.allocated_minor <> a.matched OR s.rest_minor <> e.amount_minor - a.matched);
    IF wrong > 0 THEN
        RAISE EXCEPTION 'a transfer is what is matched and what lies in suspense' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION settlement_entry_adds_up() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER a_transfer_adds_up AFTER INSERT ON settlement_allocation DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION settlement_entry_adds_up();
CREATE CONSTRAINT TRIGGER suspense_adds_up AFTER INSERT OR UPDATE ON settlement_suspenseitem
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION settlement_entry_adds_up();
CREATE TRIGGER what_was_advised_is_fixed BEFORE UPDATE ON settlement_remittanceadvice FOR EACH ROW WHEN (
    (to_jsonb(OLD) - 'entry_id') IS DISTINCT FROM (to_jsonb(NEW) - 'entry_id')
    OR (OLD.entry_id IS NOT NULL AND OLD.entry_id IS DISTINCT FROM NEW.entry_id)
) EXECUTE FUNCTION settlement_refuse_change('what was advised does not change');
CREATE TRIGGER an_advised_line_is_fixed BEFORE UPDATE ON settlement_adviceline FOR EACH ROW WHEN (
    (to_jsonb(OLD) - 'fault') IS DISTINCT FROM (to_jsonb(NEW) - 'fault')
) EXECUTE FUNCTION settlement_refuse_change('what was advised does not change');
DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['remittanceadvice', 'adviceline', 'suspenseitem']
    LOOP
        EXECUTE format('CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON settlement_%s FOR EACH ROW '
            'EXECUTE FUNCTION settlement_refuse_change(''rows are ended, never deleted'')', target);
    END LOOP;
END $$;
"""

ACCESS = """
SELECT core_protect('settlement_remittanceadvice', 'organisation_id = ANY (core_organisations())',
    'SELECT, INSERT, UPDATE');
SELECT core_protect('settlement_adviceline', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('settlement_allocation', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT');
SELECT core_append_only('settlement_allocation');
SELECT core_protect('settlement_setoff', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT');
SELECT core_append_only('settlement_setoff');
-- What nobody could match is the platform's to look at: it may be anybody's.
SELECT core_protect('settlement_suspenseitem', 'false', 'SELECT, INSERT, UPDATE');
DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['remittanceadvice', 'adviceline', 'allocation', 'suspenseitem', 'setoff']
    LOOP
        EXECUTE format('CREATE POLICY the_platform_adds ON settlement_%s AS RESTRICTIVE FOR INSERT TO medisettle_app '
            'WITH CHECK (core_everything())', target);
    END LOOP;
    FOREACH target IN ARRAY ARRAY['remittanceadvice', 'adviceline', 'suspenseitem']
    LOOP
        EXECUTE format('CREATE POLICY the_platform_changes ON settlement_%s AS RESTRICTIVE FOR UPDATE TO '
            'medisettle_app USING (core_everything())', target);
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("settlement", "0009_collections")]
    operations = [migrations.RunSQL(sql, elidable=False) for sql in (FIXED, ACCESS)]
