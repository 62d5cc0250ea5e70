"""What must never be false of advances and legs, held by PostgreSQL; and who sees what."""

from django.db import migrations

STATES = """
SELECT core_state_machine('settlement_advance',
    'HELD>DRAWN,HELD>RELEASED,DRAWN>RELEASED,DRAWN>PARTLY_COLLECTED,DRAWN>COLLECTED,DRAWN>IN_RECOVERY,'
    'DRAWN>WRITTEN_OFF,PARTLY_COLLECTED>COLLECTED,PARTLY_COLLECTED>CLAWED_BACK,PARTLY_COLLECTED>IN_RECOVERY,'
    'PARTLY_COLLECTED>WRITTEN_OFF,COLLECTED>CLAWED_BACK,COLLECTED>IN_RECOVERY,CLAWED_BACK>PARTLY_COLLECTED,'
    'CLAWED_BACK>COLLECTED,CLAWED_BACK>IN_RECOVERY,CLAWED_BACK>WRITTEN_OFF,IN_RECOVERY>DRAWN,'
    'IN_RECOVERY>PARTLY_COLLECTED,IN_RECOVERY>COLLECTED,IN_RECOVERY>WRITTEN_OFF', 'HELD');
SELECT core_state_machine('settlement_settlementleg',
    'DUE>APPROVED,DUE>PAID,DUE>DISPUTED,DUE>REVERSED,APPROVED>DUE,APPROVED>IN_PAYMENT,APPROVED>DISPUTED,'
    'APPROVED>REVERSED,IN_PAYMENT>PAID,IN_PAYMENT>FAILED,PAID>RETURNED,PAID>DISPUTED,PAID>REVERSED,FAILED>DUE,'
    'FAILED>REVERSED,RETURNED>DUE,RETURNED>REVERSED,DISPUTED>DUE,DISPUTED>REVERSED', 'DUE');
SELECT core_state_machine('settlement_recovery',
    'OPEN>OBJECTED,OBJECTED>OPEN,STOPPED>OPEN,OPEN>AGREED,OPEN>STOPPED,OBJECTED>STOPPED,AGREED>STOPPED,OPEN>PAID,'
    'AGREED>PAID,OPEN>WAIVED,OBJECTED>WAIVED,AGREED>WAIVED,STOPPED>WAIVED,OPEN>WRITTEN_OFF,OBJECTED>WRITTEN_OFF,'
    'AGREED>WRITTEN_OFF,STOPPED>WRITTEN_OFF', 'OPEN');
"""

MOVES = """
-- An advance's columns are the sum of its moves: only this trigger changes them. It counts the version up, so whoever
-- wrote the moves reads the row again before he moves its state.
CREATE FUNCTION settlement_advance_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    m bigint := NEW.amount_minor;
    k text := NEW.kind;
BEGIN
    UPDATE settlement_advance SET
        drawn_minor = drawn_minor + CASE k WHEN 'DRAW' THEN m ELSE 0 END,
        unconfirmed_minor = unconfirmed_minor + CASE
            WHEN k IN ('DRAW', 'UNCONFIRM', 'BEAR_NO_MORE') THEN m
            WHEN k IN ('CONFIRM', 'BEAR', 'RETURN') THEN -m ELSE 0 END,
        receivable_minor = receivable_minor + CASE
            WHEN k IN ('CONFIRM', 'UNCOLLECT', 'CLAW_BACK') THEN m
            WHEN k IN ('UNCONFIRM', 'COLLECT', 'BEAR_RECEIVABLE', 'RETURN_RECEIVABLE') THEN -m ELSE 0 END,
        collected_minor = collected_minor + CASE k WHEN 'COLLECT' THEN m WHEN 'UNCOLLECT' THEN -m ELSE 0 END,
        clawed_back_minor = clawed_back_minor + CASE k WHEN 'CLAW_BACK' THEN m ELSE 0 END,
        in_recovery_minor = in_recovery_minor + CASE
            WHEN k IN ('BEAR', 'BEAR_RECEIVABLE') THEN m
            WHEN k IN ('BEAR_NO_MORE', 'RECOVER', 'WRITE_OFF') THEN -m ELSE 0 END,
        recovered_minor = recovered_minor + CASE k WHEN 'RECOVER' THEN m ELSE 0 END,
        returned_minor = returned_minor + CASE WHEN k IN ('RETURN', 'RETURN_RECEIVABLE') THEN m ELSE 0 END,
        written_off_minor = written_off_minor + CASE k WHEN 'WRITE_OFF' THEN m ELSE 0 END,
        version = version + 1
        WHERE id = NEW.advance_id;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION settlement_advance_count() FROM PUBLIC;
CREATE TRIGGER advance_count AFTER INSERT ON settlement_advancemove FOR EACH ROW
    EXECUTE FUNCTION settlement_advance_count();
"""

FIXED = """
CREATE FUNCTION settlement_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER for_whom_is_fixed BEFORE UPDATE ON settlement_advance FOR EACH ROW WHEN (
    (OLD.id, OLD.organisation_id, OLD.claim_id, OLD.episode, OLD.mandate_id, OLD.currency, OLD.created_at)
    IS DISTINCT FROM
    (NEW.id, NEW.organisation_id, NEW.claim_id, NEW.episode, NEW.mandate_id, NEW.currency, NEW.created_at)
) EXECUTE FUNCTION settlement_refuse_change('for whom money was laid out does not change');
CREATE TRIGGER what_is_drawn_is_held_fast BEFORE UPDATE ON settlement_advance FOR EACH ROW WHEN (
    OLD.drawn_minor > 0 AND OLD.held_minor > NEW.held_minor AND NEW.held_minor < NEW.drawn_minor
) EXECUTE FUNCTION settlement_refuse_change('less than was drawn was never held');
CREATE TRIGGER a_leg_is_fixed BEFORE UPDATE ON settlement_settlementleg FOR EACH ROW WHEN (
    (OLD.id, OLD.leg_no, OLD.kind, OLD.organisation_id, OLD.insurer_id, OLD.claim_id, OLD.advance_id, OLD.person_id,
     OLD.cause_id, OLD.amount_minor, OLD.currency)
    IS DISTINCT FROM
    (NEW.id, NEW.leg_no, NEW.kind, NEW.organisation_id, NEW.insurer_id, NEW.claim_id, NEW.advance_id, NEW.person_id,
     NEW.cause_id, NEW.amount_minor, NEW.currency)
) EXECUTE FUNCTION settlement_refuse_change('a leg is reversed, never changed');
CREATE TRIGGER what_is_asked_back_is_fixed BEFORE UPDATE ON settlement_recovery FOR EACH ROW WHEN (
    (OLD.id, OLD.advance_id, OLD.organisation_id, OLD.number, OLD.refusal_class, OLD.bearer,
     OLD.bearer_organisation_id, OLD.amount_minor, OLD.currency, OLD.clause)
    IS DISTINCT FROM
    (NEW.id, NEW.advance_id, NEW.organisation_id, NEW.number, NEW.refusal_class, NEW.bearer,
     NEW.bearer_organisation_id, NEW.amount_minor, NEW.currency, NEW.clause)
) EXECUTE FUNCTION settlement_refuse_change('what is asked back does not change');
DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['contract', 'mandate', 'advance', 'advancemove', 'advancewaiting', 'recovery',
        'settlementleg']
    LOOP
        EXECUTE format('CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON settlement_%s FOR EACH ROW '
            'EXECUTE FUNCTION settlement_refuse_change(''rows are ended, never deleted'')', target);
    END LOOP;
END $$;
"""

ACCESS = """
SELECT core_protect('settlement_contract', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT');
SELECT core_append_only('settlement_contract');
CREATE POLICY the_platform_signs ON settlement_contract AS RESTRICTIVE FOR INSERT TO medisettle_app
    WITH CHECK (core_everything());
SELECT core_protect('settlement_mandate', 'EXISTS (SELECT 1 FROM claims_claim claim WHERE claim.id = claim_id)',
    'SELECT, INSERT');
SELECT core_append_only('settlement_mandate');
-- The patient signs for himself, or the platform stores what he signed: nobody else gives a mandate.
CREATE POLICY the_patient_signs ON settlement_mandate AS RESTRICTIVE FOR INSERT TO medisettle_app
    WITH CHECK (core_everything() OR person_id = ANY (core_persons()));
SELECT core_protect('settlement_advance', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('settlement_advancemove', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT');
SELECT core_append_only('settlement_advancemove');
SELECT core_protect('settlement_advancewaiting', 'organisation_id = ANY (core_organisations())',
    'SELECT, INSERT, UPDATE');
SELECT core_protect('settlement_recovery', 'organisation_id = ANY (core_organisations())
    OR bearer_organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('settlement_settlementleg', 'organisation_id = ANY (core_organisations())
    OR person_id = ANY (core_persons())', 'SELECT, INSERT, UPDATE');
-- Money is laid out by the platform: its processes act with its sight, an insurer or a pharmacy only looks.
DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['advance', 'advancemove', 'advancewaiting', 'recovery', 'settlementleg']
    LOOP
        EXECUTE format('CREATE POLICY the_platform_adds ON settlement_%s AS RESTRICTIVE FOR INSERT TO medisettle_app '
            'WITH CHECK (core_everything())', target);
        EXECUTE format('CREATE POLICY the_platform_changes ON settlement_%s AS RESTRICTIVE FOR UPDATE TO '
            'medisettle_app USING (core_everything())', target);
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("settlement", "0001_contracts_advances_legs"), ("pharmacies", "0002_pharmacies_guards")]
    operations = [migrations.RunSQL(sql, elidable=False) for sql in (STATES, MOVES, FIXED, ACCESS)]
