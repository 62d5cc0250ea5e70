"""What must never be false of statements, payees, batches and payments, held by PostgreSQL; and who sees what."""

from django.db import migrations

STATES = """
SELECT core_state_machine('settlement_payoutbatch',
    'MADE>CHECKED,MADE>RELEASED,CHECKED>RELEASED,RELEASED>DONE,MADE>CANCELLED,CHECKED>CANCELLED', 'MADE');
SELECT core_state_machine('settlement_payment',
    'ARMED>SENT,IN_DOUBT>SENT,ARMED>IN_DOUBT,ARMED>REJECTED,SENT>REJECTED,IN_DOUBT>REJECTED,SENT>BOOKED,'
    'IN_DOUBT>BOOKED,ARMED>BOOKED,BOOKED>RETURNED', 'ARMED');
"""

STATEMENTS = """
-- A statement begins where the one before it has ended, in the account's currency.
CREATE FUNCTION settlement_statement_follows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before record;
BEGIN
    IF NEW.currency <> (SELECT currency FROM settlement_bankaccount WHERE id = NEW.account_id) THEN
        RAISE EXCEPTION 'statement % is in another currency', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    SELECT * INTO before FROM settlement_bankstatement WHERE id = NEW.follows_id;
    IF FOUND AND (before.account_id, before.closing_minor) IS DISTINCT FROM (NEW.account_id, NEW.opening_minor) THEN
        RAISE EXCEPTION 'statement % does not begin where % ended', NEW.id, before.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER begins_where_the_last_ended BEFORE INSERT ON settlement_bankstatement FOR EACH ROW
    EXECUTE FUNCTION settlement_statement_follows();
-- And its lines lead from its opening to its closing.
CREATE FUNCTION settlement_statement_foots() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    statement uuid := CASE TG_TABLE_NAME WHEN 'settlement_bankstatement' THEN NEW.id
        ELSE (to_jsonb(NEW) ->> 'statement_id')::uuid END;
    broken boolean;
BEGIN
    SELECT s.closing_minor <> s.opening_minor + coalesce(sum(
            CASE e.direction WHEN 'CREDIT' THEN e.amount_minor ELSE -e.amount_minor END), 0)
        OR bool_or(e.currency <> s.currency OR e.account_id <> s.account_id)
        INTO broken
        FROM settlement_bankstatement s LEFT JOIN settlement_bankentry e ON e.statement_id = s.id
        WHERE s.id = statement GROUP BY s.id;
    IF broken THEN
        RAISE EXCEPTION 'statement % does not foot', statement USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION settlement_statement_foots() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER its_lines_foot AFTER INSERT ON settlement_bankstatement DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION settlement_statement_foots();
CREATE CONSTRAINT TRIGGER its_statement_foots AFTER INSERT ON settlement_bankentry DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION settlement_statement_foots();
"""

PAYMENTS = """
-- A payment is what its lines are, and only for its own payee.
CREATE FUNCTION settlement_payment_foots() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    total bigint;
    strange boolean;
BEGIN
    SELECT sum(line.amount_minor), bool_or(line.payee_id <> NEW.payee_id OR line.batch_id <> NEW.batch_id)
        INTO total, strange FROM settlement_payoutline line WHERE line.payment_id = NEW.id;
    IF total IS DISTINCT FROM NEW.amount_minor OR strange THEN
        RAISE EXCEPTION 'payment % is not the sum of its lines', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION settlement_payment_foots() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER a_payment_is_its_lines AFTER INSERT ON settlement_payment DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION settlement_payment_foots();
"""

FIXED = """
CREATE TRIGGER what_the_bank_wrote_is_fixed BEFORE UPDATE ON settlement_bankentry FOR EACH ROW WHEN (
    (to_jsonb(OLD) - 'allocated_minor' - 'outcome' - 'outcome_at')
    IS DISTINCT FROM (to_jsonb(NEW) - 'allocated_minor' - 'outcome' - 'outcome_at')
) EXECUTE FUNCTION settlement_refuse_change('what the bank wrote does not change');
CREATE TRIGGER a_payee_account_is_fixed BEFORE UPDATE ON settlement_payeeaccount FOR EACH ROW WHEN (
    (to_jsonb(OLD) - 'confirmed_by' - 'confirmed_at' - 'closed_at' - 'closed_by' - 'closed_reason')
    IS DISTINCT FROM
    (to_jsonb(NEW) - 'confirmed_by' - 'confirmed_at' - 'closed_at' - 'closed_by' - 'closed_reason')
    OR OLD.closed_at IS NOT NULL
    OR (OLD.confirmed_at IS NOT NULL AND OLD.confirmed_at IS DISTINCT FROM NEW.confirmed_at)
) EXECUTE FUNCTION settlement_refuse_change('another account is another row');
CREATE TRIGGER a_batch_is_fixed BEFORE UPDATE ON settlement_payoutbatch FOR EACH ROW WHEN (
    (OLD.id, OLD.batch_no, OLD.organisation_id, OLD.account_id, OLD.currency, OLD.amount_minor, OLD.names_needed,
     OLD.made_by)
    IS DISTINCT FROM
    (NEW.id, NEW.batch_no, NEW.organisation_id, NEW.account_id, NEW.currency, NEW.amount_minor, NEW.names_needed,
     NEW.made_by)
    OR (OLD.checked_by <> '' AND OLD.checked_by <> NEW.checked_by)
    OR (OLD.released_by <> '' AND OLD.released_by <> NEW.released_by)
) EXECUTE FUNCTION settlement_refuse_change('a batch is cancelled, never changed');
CREATE TRIGGER a_payment_is_fixed BEFORE UPDATE ON settlement_payment FOR EACH ROW WHEN (
    (OLD.id, OLD.message_id, OLD.organisation_id, OLD.batch_id, OLD.account_id, OLD.payee_id, OLD.amount_minor,
     OLD.currency)
    IS DISTINCT FROM
    (NEW.id, NEW.message_id, NEW.organisation_id, NEW.batch_id, NEW.account_id, NEW.payee_id, NEW.amount_minor,
     NEW.currency)
    OR (OLD.entry_id IS NOT NULL AND OLD.entry_id IS DISTINCT FROM NEW.entry_id)
) EXECUTE FUNCTION settlement_refuse_change('what was ordered of the bank does not change');
CREATE TRIGGER a_line_is_fixed BEFORE UPDATE ON settlement_payoutline FOR EACH ROW WHEN (
    (OLD.id, OLD.batch_id, OLD.leg_id, OLD.payee_id, OLD.amount_minor)
    IS DISTINCT FROM (NEW.id, NEW.batch_id, NEW.leg_id, NEW.payee_id, NEW.amount_minor)
    OR (NEW.is_open AND NOT OLD.is_open)
    OR (OLD.payment_id IS NOT NULL AND OLD.payment_id IS DISTINCT FROM NEW.payment_id)
    OR (OLD.posting_id IS NOT NULL AND OLD.posting_id IS DISTINCT FROM NEW.posting_id)
) EXECUTE FUNCTION settlement_refuse_change('a line of a batch does not change');
CREATE TRIGGER a_message_is_concluded_once BEFORE UPDATE ON settlement_paymentmessage FOR EACH ROW WHEN (
    OLD.outcome IS NOT NULL
    OR (OLD.id, OLD.payment_id, OLD.kind, OLD.armed_at, OLD.deadline, OLD.sealed_request)
    IS DISTINCT FROM (NEW.id, NEW.payment_id, NEW.kind, NEW.armed_at, NEW.deadline, NEW.sealed_request)
) EXECUTE FUNCTION settlement_refuse_change('a message is concluded once');
DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['bankaccount', 'bankentry', 'payeeaccount', 'payoutbatch', 'payment', 'payoutline',
        'paymentmessage']
    LOOP
        EXECUTE format('CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON settlement_%s FOR EACH ROW '
            'EXECUTE FUNCTION settlement_refuse_change(''rows are ended, never deleted'')', target);
    END LOOP;
END $$;
"""

ACCESS = """
-- The platform's accounts and what its banks write are the platform's alone.
SELECT core_protect('settlement_bankaccount', 'false', 'SELECT, INSERT, UPDATE');
SELECT core_protect('settlement_bankstatement', 'false', 'SELECT, INSERT');
SELECT core_append_only('settlement_bankstatement');
SELECT core_protect('settlement_bankentry', 'false', 'SELECT, INSERT, UPDATE');
SELECT core_protect('settlement_payoutbatch', 'false', 'SELECT, INSERT, UPDATE');
SELECT core_protect('settlement_paymentmessage', 'false', 'SELECT, INSERT, UPDATE');
-- A payee sees and tells his own account, and sees what was paid to it.
SELECT core_protect('settlement_payeeaccount', 'organisation_id = ANY (core_organisations())
    OR person_id = ANY (core_persons())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('settlement_payment',
    'EXISTS (SELECT 1 FROM settlement_payeeaccount payee WHERE payee.id = payee_id)', 'SELECT, INSERT, UPDATE');
SELECT core_protect('settlement_payoutline',
    'EXISTS (SELECT 1 FROM settlement_payeeaccount payee WHERE payee.id = payee_id)', 'SELECT, INSERT, UPDATE');
CREATE POLICY the_platform_finds_right ON settlement_payeeaccount AS RESTRICTIVE FOR UPDATE TO medisettle_app
    USING (core_everything());
CREATE POLICY told_is_not_found_right ON settlement_payeeaccount AS RESTRICTIVE FOR INSERT TO medisettle_app
    WITH CHECK (confirmed_at IS NULL);
DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['payment', 'payoutline']
    LOOP
        EXECUTE format('CREATE POLICY the_platform_adds ON settlement_%s AS RESTRICTIVE FOR INSERT TO medisettle_app '
            'WITH CHECK (core_everything())', target);
        EXECUTE format('CREATE POLICY the_platform_changes ON settlement_%s AS RESTRICTIVE FOR UPDATE TO '
            'medisettle_app USING (core_everything())', target);
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("settlement", "0003_bank_and_payouts")]
    operations = [migrations.RunSQL(sql, elidable=False) for sql in (STATES, STATEMENTS, PAYMENTS, FIXED, ACCESS)]
