"""What must never be false of fees and statements, held by PostgreSQL; and who sees what."""

from django.db import migrations

STATES = """
SELECT core_state_machine('settlement_statement', 'ISSUED>DISPUTED,ISSUED>CONFIRMED,DISPUTED>CONFIRMED', 'ISSUED');
"""

FOOTS = """
CREATE SEQUENCE settlement_statement_no;
GRANT USAGE ON SEQUENCE settlement_statement_no TO medisettle_app, medisettle_worker;
-- The sums on a statement are those of its lines, whoever wrote which of them.
CREATE FUNCTION settlement_statement_adds_up() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    wrong integer;
BEGIN
    SELECT count(*) INTO wrong FROM settlement_statement s LEFT JOIN LATERAL (
        SELECT coalesce(sum(amount_minor) FILTER (WHERE kind IN ('LEG', 'LEG_BACK')), 0) AS gross,
            coalesce(sum(amount_minor) FILTER (WHERE kind = 'FEE'), 0) AS fee,
            coalesce(sum(amount_minor) FILTER (WHERE kind = 'VAT'), 0) AS vat,
            coalesce(sum(amount_minor) FILTER (WHERE kind = 'SET_OFF'), 0) AS set_off,
            coalesce(sum(amount_minor) FILTER (WHERE kind = 'PAYMENT'), 0) AS paid,
            coalesce(sum(amount_minor) FILTER (WHERE kind = 'OTHER'), 0) AS other
        FROM settlement_statementline WHERE statement_id = s.id) l ON true
    WHERE s.id = CASE TG_TABLE_NAME WHEN 'settlement_statement' THEN (to_jsonb(NEW) ->> 'id')::uuid
            ELSE (to_jsonb(NEW) ->> 'statement_id')::uuid END
        AND (s.gross_minor, s.fee_minor, s.vat_minor, s.set_off_minor, s.paid_minor, s.other_minor)
            IS DISTINCT FROM (l.gross, l.fee, l.vat, l.set_off, l.paid, l.other);
    IF wrong > 0 THEN
        RAISE EXCEPTION 'a statement is the sum of its lines' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION settlement_statement_adds_up() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER a_statement_is_the_sum_of_its_lines AFTER INSERT OR UPDATE ON settlement_statement
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION settlement_statement_adds_up();
CREATE CONSTRAINT TRIGGER a_line_is_part_of_its_statement AFTER INSERT ON settlement_statementline
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION settlement_statement_adds_up();
CREATE TRIGGER what_is_stated_is_fixed BEFORE UPDATE ON settlement_statement FOR EACH ROW WHEN (
    (OLD.id, OLD.statement_no, OLD.role, OLD.organisation_id, OLD.insurer_id, OLD.currency, OLD.first_day, OLD.last_day,
     OLD.opening_minor, OLD.gross_minor, OLD.closing_minor, OLD.issued_at)
    IS DISTINCT FROM
    (NEW.id, NEW.statement_no, NEW.role, NEW.organisation_id, NEW.insurer_id, NEW.currency, NEW.first_day, NEW.last_day,
     NEW.opening_minor, NEW.gross_minor, NEW.closing_minor, NEW.issued_at)
) EXECUTE FUNCTION settlement_refuse_change('what is stated does not change');
CREATE TRIGGER a_line_is_fixed BEFORE UPDATE ON settlement_statementline FOR EACH ROW WHEN (
    (OLD.id, OLD.statement_id, OLD.line_no, OLD.kind, OLD.day, OLD.leg_id, OLD.fee_id, OLD.amount_minor)
    IS DISTINCT FROM
    (NEW.id, NEW.statement_id, NEW.line_no, NEW.kind, NEW.day, NEW.leg_id, NEW.fee_id, NEW.amount_minor)
) EXECUTE FUNCTION settlement_refuse_change('what a line says does not change');
DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['statement', 'statementline']
    LOOP
        EXECUTE format('CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON settlement_%s FOR EACH ROW '
            'EXECUTE FUNCTION settlement_refuse_change(''rows are ended, never deleted'')', target);
    END LOOP;
END $$;
"""

ACCESS = """
SELECT core_protect('settlement_feecharge', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT');
SELECT core_append_only('settlement_feecharge');
SELECT core_protect('settlement_statement', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('settlement_statementline', 'organisation_id = ANY (core_organisations())',
    'SELECT, INSERT, UPDATE');
-- The platform states and charges; a counterparty's answer is written by a service that looked who it is.
DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['feecharge', 'statement', 'statementline']
    LOOP
        EXECUTE format('CREATE POLICY the_platform_adds ON settlement_%s AS RESTRICTIVE FOR INSERT TO medisettle_app '
            'WITH CHECK (core_everything())', target);
    END LOOP;
    FOREACH target IN ARRAY ARRAY['statement', 'statementline']
    LOOP
        EXECUTE format('CREATE POLICY the_platform_changes ON settlement_%s AS RESTRICTIVE FOR UPDATE TO '
            'medisettle_app USING (core_everything())', target);
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("settlement", "0007_fees_and_statements")]
    operations = [migrations.RunSQL(sql, elidable=False) for sql in (STATES, FOOTS, ACCESS)]
