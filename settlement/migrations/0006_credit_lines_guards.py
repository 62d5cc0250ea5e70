"""More ways back for an advance, what is not owed after all, and credit lines: who sees and sets them."""

from django.db import migrations

STATES = """
DROP TRIGGER state_guard ON settlement_advance;
DROP TRIGGER state_log ON settlement_advance;
SELECT core_state_machine('settlement_advance',
    'HELD>DRAWN,HELD>RELEASED,DRAWN>RELEASED,DRAWN>PARTLY_COLLECTED,DRAWN>COLLECTED,DRAWN>IN_RECOVERY,'
    'DRAWN>WRITTEN_OFF,PARTLY_COLLECTED>DRAWN,PARTLY_COLLECTED>COLLECTED,PARTLY_COLLECTED>CLAWED_BACK,'
    'PARTLY_COLLECTED>IN_RECOVERY,PARTLY_COLLECTED>WRITTEN_OFF,PARTLY_COLLECTED>RELEASED,COLLECTED>DRAWN,'
    'COLLECTED>PARTLY_COLLECTED,COLLECTED>CLAWED_BACK,COLLECTED>IN_RECOVERY,COLLECTED>RELEASED,'
    'CLAWED_BACK>PARTLY_COLLECTED,CLAWED_BACK>COLLECTED,CLAWED_BACK>IN_RECOVERY,CLAWED_BACK>WRITTEN_OFF,'
    'CLAWED_BACK>RELEASED,IN_RECOVERY>DRAWN,IN_RECOVERY>PARTLY_COLLECTED,IN_RECOVERY>COLLECTED,'
    'IN_RECOVERY>WRITTEN_OFF,IN_RECOVERY>RELEASED,WRITTEN_OFF>DRAWN,WRITTEN_OFF>PARTLY_COLLECTED,'
    'WRITTEN_OFF>COLLECTED,WRITTEN_OFF>CLAWED_BACK,WRITTEN_OFF>RELEASED', 'HELD');
DROP TRIGGER state_guard ON settlement_recovery;
DROP TRIGGER state_log ON settlement_recovery;
SELECT core_state_machine('settlement_recovery',
    'OPEN>OBJECTED,OBJECTED>OPEN,STOPPED>OPEN,OPEN>AGREED,OPEN>STOPPED,OBJECTED>STOPPED,AGREED>STOPPED,OPEN>PAID,'
    'AGREED>PAID,OPEN>WAIVED,OBJECTED>WAIVED,AGREED>WAIVED,STOPPED>WAIVED,OPEN>WRITTEN_OFF,OBJECTED>WRITTEN_OFF,'
    'AGREED>WRITTEN_OFF,STOPPED>WRITTEN_OFF,OPEN>CANCELLED,OBJECTED>CANCELLED,AGREED>CANCELLED,STOPPED>CANCELLED',
    'OPEN');
"""

MOVES = """
CREATE OR REPLACE FUNCTION settlement_advance_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    m bigint := NEW.amount_minor;
    k text := NEW.kind;
BEGIN
    UPDATE settlement_advance SET
        drawn_minor = drawn_minor + CASE k WHEN 'DRAW' THEN m ELSE 0 END,
        unconfirmed_minor = unconfirmed_minor + CASE
            WHEN k IN ('DRAW', 'UNCONFIRM', 'BEAR_NO_MORE', 'UNRECOVER', 'WRITE_BACK') THEN m
            WHEN k IN ('CONFIRM', 'BEAR', 'RETURN') THEN -m ELSE 0 END,
        receivable_minor = receivable_minor + CASE
            WHEN k IN ('CONFIRM', 'UNCOLLECT', 'CLAW_BACK') THEN m
            WHEN k IN ('UNCONFIRM', 'COLLECT', 'BEAR_RECEIVABLE', 'RETURN_RECEIVABLE') THEN -m ELSE 0 END,
        collected_minor = collected_minor + CASE k WHEN 'COLLECT' THEN m WHEN 'UNCOLLECT' THEN -m ELSE 0 END,
        clawed_back_minor = clawed_back_minor + CASE k WHEN 'CLAW_BACK' THEN m ELSE 0 END,
        in_recovery_minor = in_recovery_minor + CASE
            WHEN k IN ('BEAR', 'BEAR_RECEIVABLE') THEN m
            WHEN k IN ('BEAR_NO_MORE', 'RECOVER', 'WRITE_OFF') THEN -m ELSE 0 END,
        recovered_minor = recovered_minor + CASE k WHEN 'RECOVER' THEN m WHEN 'UNRECOVER' THEN -m ELSE 0 END,
        returned_minor = returned_minor + CASE WHEN k IN ('RETURN', 'RETURN_RECEIVABLE') THEN m ELSE 0 END,
        written_off_minor = written_off_minor
            + CASE k WHEN 'WRITE_OFF' THEN m WHEN 'WRITE_BACK' THEN -m ELSE 0 END,
        version = version + 1
        WHERE id = NEW.advance_id;
    RETURN NULL;
END $$;
"""

LINES = """
CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON settlement_creditline FOR EACH ROW
    EXECUTE FUNCTION settlement_refuse_change('rows are ended, never deleted');
SELECT core_protect('settlement_creditline', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT');
SELECT core_append_only('settlement_creditline');
CREATE POLICY the_platform_sets ON settlement_creditline AS RESTRICTIVE FOR INSERT TO medisettle_app
    WITH CHECK (core_everything());
"""


class Migration(migrations.Migration):
    dependencies = [("settlement", "0005_credit_lines")]
    operations = [migrations.RunSQL(sql, elidable=False) for sql in (STATES, MOVES, LINES)]
