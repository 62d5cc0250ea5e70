"""Tombstones may be born unsent and filled in once; the listener and the portals write facts, cash and rulings."""

from django.db import migrations

BIRTHS = """
DROP TRIGGER state_guard ON exchange_transaction;
CREATE TRIGGER state_guard BEFORE INSERT OR UPDATE ON exchange_transaction FOR EACH ROW
    EXECUTE FUNCTION core_state_guard(
    'RECEIVED>SENDING,RECEIVED>REJECTED,RECEIVED>NOT_SENT,'
    'SENDING>SUCCEEDED,SENDING>REJECTED,SENDING>IN_DOUBT,SENDING>NOT_SENT,SENDING>REVERSING,'
    'IN_DOUBT>SUCCEEDED,IN_DOUBT>REJECTED,IN_DOUBT>REVERSING,IN_DOUBT>NEEDS_HUMAN,IN_DOUBT>NOT_SENT,'
    'SUCCEEDED>CANCELLED,SUCCEEDED>REVERSING,REJECTED>REVERSING,NOT_SENT>REVERSING,'
    'REVERSING>REVERSED,REVERSING>NEEDS_HUMAN,REVERSED>REVERSING,'
    'NEEDS_HUMAN>SUCCEEDED,NEEDS_HUMAN>REVERSED,NEEDS_HUMAN>REJECTED,NEEDS_HUMAN>REVERSING',
    'RECEIVED,NOT_SENT');
"""

FIXED = """
DROP TRIGGER a_wish_is_fixed ON exchange_transaction;
-- A tombstone has no body yet: the wish that comes late gives it one, once. Who covers the person is found once.
CREATE TRIGGER a_wish_is_fixed BEFORE UPDATE ON exchange_transaction FOR EACH ROW WHEN (
    (OLD.id, OLD.organisation_id, OLD.his_no, OLD.received_at)
    IS DISTINCT FROM (NEW.id, NEW.organisation_id, NEW.his_no, NEW.received_at)
    OR (octet_length(OLD.body_digest) > 0 AND
    (OLD.operation, OLD.operation_class, coalesce(OLD.interface_id, NEW.interface_id), OLD.bill_id, OLD.batch_no,
     OLD.person_index, OLD.body_digest, OLD.total_minor, OLD.currency, OLD.of_id, OLD.replaces_id, OLD.retry_of_id,
     OLD.presettle_of_id, OLD.expect_cash_minor, OLD.shift_no)
    IS DISTINCT FROM
    (NEW.operation, NEW.operation_class, NEW.interface_id, NEW.bill_id, NEW.batch_no, NEW.person_index,
     NEW.body_digest, NEW.total_minor, NEW.currency, NEW.of_id, NEW.replaces_id, NEW.retry_of_id, NEW.presettle_of_id,
     NEW.expect_cash_minor, NEW.shift_no))
) EXECUTE FUNCTION exchange_refuse_change('what the hospital asked for does not change');
CREATE TRIGGER a_fact_is_not_taken_back BEFORE UPDATE ON exchange_transaction FOR EACH ROW WHEN (
    (OLD.abandoned_at IS NOT NULL AND OLD.abandoned_at IS DISTINCT FROM NEW.abandoned_at)
    OR (OLD.disowned_at IS NOT NULL AND OLD.disowned_at IS DISTINCT FROM NEW.disowned_at)
    OR (OLD.service_cancelled_at IS NOT NULL AND OLD.service_cancelled_at IS DISTINCT FROM NEW.service_cancelled_at)
    OR NEW.episode < OLD.episode
) EXECUTE FUNCTION exchange_refuse_change('what the hospital said is not taken back');
CREATE TRIGGER only_a_tombstone_is_born_unsent BEFORE INSERT ON exchange_transaction FOR EACH ROW
    WHEN (NEW.state = 'NOT_SENT' AND NEW.interface_id IS NOT NULL)
    EXECUTE FUNCTION exchange_refuse_change('a wish begins as RECEIVED');
-- What an insurer did is proven by workers. People say: not sent any more, never booked, and what two of them rule.
CREATE TRIGGER app_moves_by_the_word_of_people BEFORE UPDATE ON exchange_transaction FOR EACH ROW WHEN (
    OLD.state <> NEW.state AND current_setting('role', true) = 'medisettle_app'
    AND OLD.state <> 'NEEDS_HUMAN'
    AND OLD.state || '>' || NEW.state NOT IN ('RECEIVED>NOT_SENT', 'SUCCEEDED>REVERSING')
) EXECUTE FUNCTION exchange_refuse_change('only a worker proves that');
CREATE TRIGGER a_closed_reversal_is_fixed BEFORE UPDATE ON exchange_reversal FOR EACH ROW
    WHEN (OLD.closed_at IS NOT NULL) EXECUTE FUNCTION exchange_refuse_change('this reversal has ended');
CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON exchange_reversal FOR EACH ROW
    EXECUTE FUNCTION exchange_refuse_change('reversals are never deleted');
CREATE TRIGGER a_closed_ruling_is_fixed BEFORE UPDATE ON exchange_ruling FOR EACH ROW
    WHEN (OLD.closed_at IS NOT NULL) EXECUTE FUNCTION exchange_refuse_change('this ruling has ended');
"""

ACCESS = """
SELECT core_protect(('exchange_' || named)::regclass, 'organisation_id = ANY (core_organisations())', allowed)
FROM (VALUES
    ('selfpayment', 'SELECT, INSERT'), ('refund', 'SELECT, INSERT'), ('reversal', 'SELECT, INSERT'),
    ('ruling', 'SELECT, INSERT, UPDATE'), ('resettlement', 'SELECT, INSERT'), ('daylist', 'SELECT, INSERT'),
    ('daycase', 'SELECT, INSERT, UPDATE'), ('shiftclose', 'SELECT, INSERT'), ('slip', 'SELECT, INSERT'),
    ('backoffice', 'SELECT, INSERT, UPDATE')) AS tables (named, allowed);
SELECT core_append_only(('exchange_' || named)::regclass)
FROM unnest(ARRAY['selfpayment', 'refund', 'resettlement', 'daylist', 'shiftclose', 'slip']) AS tables (named);
-- Abandon, disown, refund and ruling are decided where they are told: under the row lock, in the hospital's own rows.
GRANT UPDATE ON exchange_transaction TO medisettle_app;
GRANT INSERT ON exchange_evidence TO medisettle_app;
DROP POLICY app_tells_pending ON exchange_verdict;
CREATE POLICY app_tells_what_is ON exchange_verdict AS RESTRICTIVE FOR INSERT TO medisettle_app WITH CHECK (
    verdict = 'pending' OR EXISTS (SELECT 1 FROM exchange_transaction told
        WHERE told.id = transaction_id AND told.told = verdict AND told.version = exchange_verdict.version));
"""


class Migration(migrations.Migration):
    dependencies = [
        ("exchange", "0003_doubt_cash_and_desk"),
        ("journal", "0003_jobs_wake"),
        ("ledger", "0003_cash_is_posted_where_it_is_told"),
    ]
    operations = [migrations.RunSQL(sql, elidable=False) for sql in (BIRTHS, FIXED, ACCESS)]
