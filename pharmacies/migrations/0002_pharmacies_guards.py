"""What must never be false of stock, orders and hand-overs, held by PostgreSQL; and who sees what."""

from django.db import migrations

STATES = """
SELECT core_state_machine('pharmacies_order',
    'OFFERED>ACCEPTED,OFFERED>REFUSED,OFFERED>EXPIRED,OFFERED>CANCELLED,'
    'ACCEPTED>READY,ACCEPTED>REFUSED,ACCEPTED>EXPIRED,ACCEPTED>CANCELLED,'
    'READY>HANDED_OVER,READY>REFUSED,READY>EXPIRED,READY>CANCELLED,'
    'REFUSED>OFFERED,REFUSED>CANCELLED,EXPIRED>OFFERED,EXPIRED>CANCELLED,'
    'HANDED_OVER>READY,HANDED_OVER>RETURNED', 'OFFERED');
SELECT core_state_machine('pharmacies_entry',
    'APPLIED>CONDITIONS_CHECKED,CONDITIONS_CHECKED>APPLIED,CONDITIONS_CHECKED>LIVE,LIVE>SUSPENDED,SUSPENDED>LIVE',
    'APPLIED');
"""

STOCK = """
-- The counts are the sum of the moves: only this trigger changes them, under the lot's row lock.
CREATE FUNCTION pharmacies_stock_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE pharmacies_stocklot SET
        on_hand = on_hand + CASE NEW.kind
            WHEN 'IN' THEN NEW.quantity WHEN 'OUT' THEN -NEW.quantity WHEN 'UNDO' THEN NEW.quantity
            WHEN 'WRITE_OFF' THEN -NEW.quantity ELSE 0 END,
        reserved = reserved + CASE NEW.kind
            WHEN 'RESERVE' THEN NEW.quantity WHEN 'RELEASE' THEN -NEW.quantity WHEN 'OUT' THEN -NEW.quantity
            WHEN 'UNDO' THEN NEW.quantity ELSE 0 END,
        quarantined = quarantined + CASE NEW.kind WHEN 'QUARANTINE' THEN NEW.quantity ELSE 0 END
        WHERE id = NEW.lot_id;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION pharmacies_stock_count() FROM PUBLIC;
CREATE TRIGGER stock_count AFTER INSERT ON pharmacies_stockmove FOR EACH ROW
    EXECUTE FUNCTION pharmacies_stock_count();
"""

FIXED = """
CREATE FUNCTION pharmacies_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER whose_order_it_is_is_fixed BEFORE UPDATE ON pharmacies_order FOR EACH ROW WHEN (
    (OLD.id, OLD.order_no, OLD.claim_id, OLD.episode, OLD.person_id, OLD.currency, OLD.created_at)
    IS DISTINCT FROM
    (NEW.id, NEW.order_no, NEW.claim_id, NEW.episode, NEW.person_id, NEW.currency, NEW.created_at)
) EXECUTE FUNCTION pharmacies_refuse_change('whose order it is does not change');
CREATE TRIGGER an_accepted_price_is_fixed BEFORE UPDATE ON pharmacies_order FOR EACH ROW WHEN (
    OLD.state IN ('READY', 'HANDED_OVER') AND NEW.state IN ('READY', 'HANDED_OVER')
    AND OLD.total_minor IS DISTINCT FROM NEW.total_minor
) EXECUTE FUNCTION pharmacies_refuse_change('the price is fixed at acceptance');
CREATE TRIGGER an_offer_is_answered_once BEFORE UPDATE ON pharmacies_offer FOR EACH ROW WHEN (OLD.outcome <> '')
    EXECUTE FUNCTION pharmacies_refuse_change('this offer has its answer');
CREATE TRIGGER a_code_ends_once BEFORE UPDATE ON pharmacies_pickupcode FOR EACH ROW
    WHEN (OLD.outcome = 'VOID' OR (OLD.outcome = 'USED' AND NEW.outcome <> 'ACTIVE'))
    EXECUTE FUNCTION pharmacies_refuse_change('this code has ended');
CREATE TRIGGER a_handover_ends_once BEFORE UPDATE ON pharmacies_handover FOR EACH ROW
    WHEN (OLD.outcome IN ('ABORTED', 'UNDONE', 'RETURNED'))
    EXECUTE FUNCTION pharmacies_refuse_change('this hand-over has ended');
CREATE TRIGGER what_was_handed_is_fixed BEFORE UPDATE ON pharmacies_handover FOR EACH ROW WHEN (
    (OLD.id, OLD.order_id, OLD.organisation_id, OLD.number, OLD.amount_minor, OLD.idempotency_key, OLD.audited_by_id,
     OLD.dispensed_by_id, OLD.checked_by_id, OLD.opened_at, OLD.opened_by)
    IS DISTINCT FROM
    (NEW.id, NEW.order_id, NEW.organisation_id, NEW.number, NEW.amount_minor, NEW.idempotency_key, NEW.audited_by_id,
     NEW.dispensed_by_id, NEW.checked_by_id, NEW.opened_at, NEW.opened_by)
) EXECUTE FUNCTION pharmacies_refuse_change('what was handed over does not change');
CREATE TRIGGER a_fact_of_basic_insurance_is_fixed BEFORE UPDATE ON pharmacies_basicsettlement FOR EACH ROW
    WHEN (OLD.verdict NOT IN ('', 'succeeded'))
    EXECUTE FUNCTION pharmacies_refuse_change('this has its final verdict');
DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['order', 'orderline', 'offer', 'reservation', 'pickupcode', 'handover', 'handedbox',
        'tracecode', 'goodsreturn', 'basicsettlement', 'stocklot', 'stockmove', 'stockimport', 'pharmacist', 'entry',
        'entrycondition']
    LOOP
        EXECUTE format('CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON pharmacies_%s FOR EACH ROW '
            'EXECUTE FUNCTION pharmacies_refuse_change(''rows are ended, never deleted'')', target);
    END LOOP;
END $$;
"""

ACCESS = """
SELECT core_protect('pharmacies_stocklot', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('pharmacies_stockmove', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT');
SELECT core_append_only('pharmacies_stockmove');
SELECT core_protect('pharmacies_stockimport', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT');
SELECT core_append_only('pharmacies_stockimport');
SELECT core_protect('pharmacies_pharmacist', 'organisation_id = ANY (core_organisations())',
    'SELECT, INSERT, UPDATE');
SELECT core_protect('pharmacies_entry', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('pharmacies_entrycondition',
    'EXISTS (SELECT 1 FROM pharmacies_entry entry WHERE entry.id = entry_id)', 'SELECT, INSERT, UPDATE');
-- The shop that has it, the patient whose it is, and who sees the claim: its insurers.
SELECT core_protect('pharmacies_order', 'organisation_id = ANY (core_organisations())
    OR person_id = ANY (core_persons()) OR EXISTS (SELECT 1 FROM claims_claim claim WHERE claim.id = claim_id)',
    'SELECT, INSERT, UPDATE');
SELECT core_protect('pharmacies_orderline', 'EXISTS (SELECT 1 FROM pharmacies_order o WHERE o.id = order_id)',
    'SELECT, INSERT, UPDATE');
SELECT core_protect('pharmacies_offer', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('pharmacies_reservation',
    'EXISTS (SELECT 1 FROM pharmacies_stocklot lot WHERE lot.id = lot_id)', 'SELECT, INSERT, UPDATE');
-- Six digits are guessed from their hash at once: shop and patient alone.
SELECT core_protect('pharmacies_pickupcode', 'organisation_id = ANY (core_organisations()) OR EXISTS (
    SELECT 1 FROM pharmacies_order o WHERE o.id = order_id AND o.person_id = ANY (core_persons()))',
    'SELECT, INSERT, UPDATE');
SELECT core_protect('pharmacies_handover', 'EXISTS (SELECT 1 FROM pharmacies_order o WHERE o.id = order_id)',
    'SELECT, INSERT, UPDATE');
SELECT core_protect('pharmacies_handedbox',
    'EXISTS (SELECT 1 FROM pharmacies_handover h WHERE h.id = handover_id)', 'SELECT, INSERT');
SELECT core_append_only('pharmacies_handedbox');
SELECT core_protect('pharmacies_tracecode', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('pharmacies_goodsreturn', 'organisation_id = ANY (core_organisations())',
    'SELECT, INSERT, UPDATE');
SELECT core_protect('pharmacies_basicsettlement', 'organisation_id = ANY (core_organisations())',
    'SELECT, INSERT, UPDATE');
CREATE POLICY history_of_orders ON core_transition FOR SELECT TO medisettle_app USING (entity = 'pharmacies_order'
    AND EXISTS (SELECT 1 FROM pharmacies_order o WHERE o.id::text = entity_id));
"""


class Migration(migrations.Migration):
    dependencies = [
        ("pharmacies", "0001_stock_orders_handovers"),
        ("claims", "0004_who_decides"),
        ("registry", "0007_shops_access"),
    ]
    operations = [migrations.RunSQL(sql, elidable=False) for sql in (STATES, STOCK, FIXED, ACCESS)]
