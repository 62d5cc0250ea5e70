"""What must never be false of insurers' onboarding, authority and messages, held by PostgreSQL; and who sees what."""

from django.db import migrations

STATES = """
SELECT core_state_machine('insurers_onboarding',
    'APPLIED>CONDITIONS_CHECKED,CONDITIONS_CHECKED>APPLIED,CONDITIONS_CHECKED>SANDBOX,SANDBOX>CERTIFIED,'
    'CERTIFIED>LIVE,APPLIED>SUSPENDED,CONDITIONS_CHECKED>SUSPENDED,SANDBOX>SUSPENDED,CERTIFIED>SUSPENDED,'
    'LIVE>SUSPENDED,SUSPENDED>APPLIED,SUSPENDED>CONDITIONS_CHECKED,SUSPENDED>SANDBOX,SUSPENDED>CERTIFIED,'
    'SUSPENDED>LIVE', 'APPLIED');
SELECT core_state_machine('insurers_claimpush', 'WAITING>TAKEN,WAITING>REFUSED,WAITING>ENDED', 'WAITING');
"""

FIXED = """
CREATE FUNCTION insurers_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER what_is_pushed_is_fixed BEFORE UPDATE ON insurers_claimpush FOR EACH ROW WHEN (
    (OLD.id, OLD.organisation_id, OLD.claim_id, OLD.interface_id, OLD.round, OLD.push_no, OLD.sealed_content)
    IS DISTINCT FROM
    (NEW.id, NEW.organisation_id, NEW.claim_id, NEW.interface_id, NEW.round, NEW.push_no, NEW.sealed_content)
) EXECUTE FUNCTION insurers_refuse_change('what is pushed under a number does not change');
CREATE TRIGGER an_outcome_is_written_once BEFORE UPDATE ON insurers_pushmessage FOR EACH ROW
    WHEN (OLD.outcome IS NOT NULL) EXECUTE FUNCTION insurers_refuse_change('this message has its outcome');
CREATE TRIGGER a_stored_message_is_fixed BEFORE UPDATE ON insurers_pushmessage FOR EACH ROW WHEN (
    (OLD.id, OLD.push_id, OLD.organisation_id, OLD.msgid, OLD.armed_at, OLD.deadline, OLD.sealed_request)
    IS DISTINCT FROM
    (NEW.id, NEW.push_id, NEW.organisation_id, NEW.msgid, NEW.armed_at, NEW.deadline, NEW.sealed_request)
) EXECUTE FUNCTION insurers_refuse_change('a stored message does not change');
CREATE TRIGGER what_came_in_is_fixed BEFORE UPDATE ON insurers_inboundmessage FOR EACH ROW WHEN (
    (OLD.id, OLD.organisation_id, OLD.module, OLD.message_id, OLD.digest, OLD.sealed_message, OLD.received_at,
     OLD.verified)
    IS DISTINCT FROM
    (NEW.id, NEW.organisation_id, NEW.module, NEW.message_id, NEW.digest, NEW.sealed_message, NEW.received_at,
     NEW.verified)
) EXECUTE FUNCTION insurers_refuse_change('what came in does not change');
CREATE TRIGGER worked_once BEFORE UPDATE ON insurers_inboundmessage FOR EACH ROW WHEN (OLD.outcome <> 'waiting')
    EXECUTE FUNCTION insurers_refuse_change('this message has its outcome');
CREATE TRIGGER what_was_proposed_is_fixed BEFORE UPDATE ON insurers_waitingdecision FOR EACH ROW WHEN (
    OLD.closed_at IS NOT NULL OR
    (OLD.id, OLD.claim_id, OLD.organisation_id, OLD.claim_version, OLD.word, OLD.amount_minor, OLD.stake_minor,
     OLD.currency, OLD.details, OLD.reason_code, OLD.clause, OLD.clause_zh, OLD.explanation, OLD.proposed_by)
    IS DISTINCT FROM
    (NEW.id, NEW.claim_id, NEW.organisation_id, NEW.claim_version, NEW.word, NEW.amount_minor, NEW.stake_minor,
     NEW.currency, NEW.details, NEW.reason_code, NEW.clause, NEW.clause_zh, NEW.explanation, NEW.proposed_by)
) EXECUTE FUNCTION insurers_refuse_change('what was proposed does not change');
DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['onboarding', 'condition', 'openedmodule', 'authority', 'waitingdecision',
        'callbackkey', 'claimpush', 'pushmessage', 'inboundmessage']
    LOOP
        EXECUTE format('CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON insurers_%s FOR EACH ROW '
            'EXECUTE FUNCTION insurers_refuse_change(''rows are closed, never deleted'')', target);
    END LOOP;
END $$;
"""

ACCESS = """
CREATE SEQUENCE insurers_msgid;
GRANT USAGE ON SEQUENCE insurers_msgid TO medisettle_worker;
SELECT core_protect('insurers_onboarding', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
-- An insurer can send itself back to the beginning, by a new paper; every step forward is the platform's.
CREATE POLICY the_platform_moves_on ON insurers_onboarding AS RESTRICTIVE FOR UPDATE TO medisettle_app
    USING (true) WITH CHECK (core_everything() OR state = 'APPLIED');
SELECT core_protect('insurers_condition', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
CREATE POLICY the_platform_finds_good ON insurers_condition AS RESTRICTIVE FOR UPDATE TO medisettle_app
    USING (true) WITH CHECK (core_everything() OR verdict IN ('MISSING', 'HANDED_IN'));
CREATE POLICY nothing_is_born_good ON insurers_condition AS RESTRICTIVE FOR INSERT TO medisettle_app
    WITH CHECK (verdict IN ('MISSING', 'HANDED_IN'));
SELECT core_protect('insurers_openedmodule', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('insurers_stagegrant', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT');
CREATE POLICY the_platform_grants ON insurers_stagegrant AS RESTRICTIVE FOR INSERT TO medisettle_app
    WITH CHECK (core_everything());
SELECT core_append_only('insurers_stagegrant');
SELECT core_protect('insurers_authority', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('insurers_waitingdecision', 'organisation_id = ANY (core_organisations())',
    'SELECT, INSERT, UPDATE');
SELECT core_protect('insurers_callbackkey', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('insurers_claimpush', 'organisation_id = ANY (core_organisations())', 'SELECT');
SELECT core_protect('insurers_pushmessage', 'organisation_id = ANY (core_organisations())', 'SELECT');
SELECT core_protect('insurers_inboundmessage', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT');
-- The door stores; what a message means is the workers' to say.
CREATE POLICY the_door_only_stores ON insurers_inboundmessage AS RESTRICTIVE FOR INSERT TO medisettle_app
    WITH CHECK (outcome = CASE WHEN verified THEN 'waiting' ELSE 'refused_at_the_door' END);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("insurers", "0001_onboarding_authority_docking"),
        ("claims", "0002_claims_guards"),
        ("exchange", "0002_exchange_guards"),
    ]
    operations = [migrations.RunSQL(sql, elidable=False) for sql in (STATES, FIXED, ACCESS)]
