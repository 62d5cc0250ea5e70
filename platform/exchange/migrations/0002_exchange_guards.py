"""What must never be false of job A, held by PostgreSQL: states, fixed wishes, outcomes written once, who sees what."""

from django.db import migrations

STATES = """
SELECT core_state_machine('exchange_transaction',
    'RECEIVED>SENDING,RECEIVED>REJECTED,RECEIVED>NOT_SENT,'
    'SENDING>SUCCEEDED,SENDING>REJECTED,SENDING>IN_DOUBT,SENDING>NOT_SENT,SENDING>REVERSING,'
    'IN_DOUBT>SUCCEEDED,IN_DOUBT>REJECTED,IN_DOUBT>REVERSING,IN_DOUBT>NEEDS_HUMAN,IN_DOUBT>NOT_SENT,'
    'SUCCEEDED>CANCELLED,SUCCEEDED>REVERSING,REJECTED>REVERSING,NOT_SENT>REVERSING,'
    'REVERSING>REVERSED,REVERSING>NEEDS_HUMAN,REVERSED>REVERSING,'
    'NEEDS_HUMAN>SUCCEEDED,NEEDS_HUMAN>REVERSED,NEEDS_HUMAN>REJECTED,NEEDS_HUMAN>REVERSING',
    'RECEIVED');
"""

FIXED = """
CREATE FUNCTION exchange_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER a_wish_is_fixed BEFORE UPDATE ON exchange_transaction FOR EACH ROW WHEN (
    (OLD.id, OLD.organisation_id, OLD.his_no, OLD.operation, OLD.operation_class, OLD.interface_id, OLD.bill_id,
     OLD.batch_no, OLD.person_index, OLD.body_digest, OLD.total_minor, OLD.currency, OLD.received_at)
    IS DISTINCT FROM
    (NEW.id, NEW.organisation_id, NEW.his_no, NEW.operation, NEW.operation_class, NEW.interface_id, NEW.bill_id,
     NEW.batch_no, NEW.person_index, NEW.body_digest, NEW.total_minor, NEW.currency, NEW.received_at)
) EXECUTE FUNCTION exchange_refuse_change('what the hospital asked for does not change');
CREATE TRIGGER amounts_are_proven_once BEFORE UPDATE ON exchange_transaction FOR EACH ROW WHEN (
    OLD.cash_minor IS NOT NULL AND (OLD.fund_minor, OLD.account_minor, OLD.hospital_minor, OLD.cash_minor)
    IS DISTINCT FROM (NEW.fund_minor, NEW.account_minor, NEW.hospital_minor, NEW.cash_minor)
) EXECUTE FUNCTION exchange_refuse_change('amounts that were proven do not change');
CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON exchange_transaction FOR EACH ROW
    EXECUTE FUNCTION exchange_refuse_change('transactions are never deleted');
CREATE TRIGGER an_outcome_is_written_once BEFORE UPDATE ON exchange_call FOR EACH ROW WHEN (OLD.outcome IS NOT NULL)
    EXECUTE FUNCTION exchange_refuse_change('this call has its outcome');
CREATE TRIGGER a_stored_call_is_fixed BEFORE UPDATE ON exchange_call FOR EACH ROW WHEN (
    (OLD.id, OLD.transaction_id, OLD.interface_id, OLD.kind, OLD.msgid, OLD.armed_at, OLD.send_before, OLD.not_after,
     OLD.deadline, OLD.sealed_request)
    IS DISTINCT FROM
    (NEW.id, NEW.transaction_id, NEW.interface_id, NEW.kind, NEW.msgid, NEW.armed_at, NEW.send_before, NEW.not_after,
     NEW.deadline, NEW.sealed_request)
) EXECUTE FUNCTION exchange_refuse_change('a stored message does not change');
CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON exchange_call FOR EACH ROW
    EXECUTE FUNCTION exchange_refuse_change('calls are never deleted');
"""

EVIDENCE = """
-- No posting of ours without its evidence. One check per statement, whatever its size.
CREATE FUNCTION exchange_postings_have_evidence() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM fresh WHERE fresh.cause_kind LIKE 'exchange.%'
            AND NOT EXISTS (SELECT 1 FROM exchange_evidence evidence WHERE evidence.id = fresh.evidence_id)) THEN
        RAISE EXCEPTION 'a posting without evidence' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER postings_have_evidence AFTER INSERT ON ledger_posting REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION exchange_postings_have_evidence();
"""

ACCESS = """
CREATE SEQUENCE exchange_msgid;
GRANT USAGE ON SEQUENCE exchange_msgid TO medisettle_worker;
SELECT core_protect('exchange_transaction', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT');
SELECT core_protect('exchange_bill', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('exchange_idempotencykey', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT');
SELECT core_protect('exchange_call', 'organisation_id = ANY (core_organisations())', 'SELECT');
SELECT core_protect('exchange_evidence', 'organisation_id = ANY (core_organisations())', 'SELECT');
SELECT core_protect('exchange_verdict', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT');
-- The listener tells `pending`; every other verdict is the workers' to give.
CREATE POLICY app_tells_pending ON exchange_verdict AS RESTRICTIVE FOR INSERT TO medisettle_app
    WITH CHECK (verdict = 'pending');
SELECT core_append_only('exchange_evidence');
SELECT core_append_only('exchange_verdict');
SELECT core_append_only('exchange_idempotencykey');
SELECT core_protect('exchange_insurerinterface', 'true', 'SELECT');
SELECT core_protect('exchange_capabilitygrant', 'true', 'SELECT');
SELECT core_protect('exchange_route', 'true', 'SELECT');
SELECT core_protect('exchange_interfacekey', 'false', '');
"""

LATEST = """
-- The waiters' look: for transactions of many hospitals at once, so it runs as worker and returns verdicts only.
CREATE FUNCTION exchange_latest_verdicts(wanted uuid[]) RETURNS TABLE (transaction_id uuid, body jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off AS $$
    SELECT one.id, latest.body FROM unnest(wanted) AS one (id) CROSS JOIN LATERAL (
        SELECT verdict.body FROM exchange_verdict verdict WHERE verdict.transaction_id = one.id
        ORDER BY verdict.version DESC, verdict.at DESC LIMIT 1
    ) latest
$$;
REVOKE ALL ON FUNCTION exchange_latest_verdicts(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION exchange_latest_verdicts(uuid[]) TO medisettle_app, medisettle_worker;
GRANT CREATE ON SCHEMA public TO medisettle_worker;
ALTER FUNCTION exchange_latest_verdicts(uuid[]) OWNER TO medisettle_worker;
REVOKE CREATE ON SCHEMA public FROM medisettle_worker;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("exchange", "0001_transactions_calls_routes"),
        ("journal", "0002_journal_row_security"),
        ("ledger", "0001_books_and_postings"),
    ]
    operations = [migrations.RunSQL(sql, elidable=False) for sql in (STATES, FIXED, EVIDENCE, ACCESS, LATEST)]
