"""What the page behind a slip may know: one row without names, for whoever holds the token."""

from django.db import migrations

SQL = """
-- The latest wish of the service that the slip is about: what replaced or retried it speaks for it.
CREATE FUNCTION exchange_slip_state(wanted text, made_after timestamptz) RETURNS TABLE (
    operation_class varchar, state varchar, abandoned boolean, service_cancelled boolean, cash boolean,
    refund_due boolean
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH RECURSIVE service (id, bill_id) AS (
        SELECT wish.id, wish.bill_id FROM exchange_slip slip JOIN exchange_transaction wish
            ON wish.id = slip.transaction_id WHERE slip.token = wanted AND slip.created_at > made_after
        UNION
        SELECT following.id, following.bill_id FROM service JOIN exchange_transaction following
            ON following.bill_id = service.bill_id
            AND (following.replaces_id = service.id OR following.retry_of_id = service.id)
    )
    SELECT wish.operation_class, wish.state, wish.abandoned_at IS NOT NULL, wish.service_cancelled_at IS NOT NULL,
        coalesce(bill.collected_minor > bill.refunded_minor, false), coalesce(bill.refund_due_minor > 0, false)
    FROM service JOIN exchange_transaction wish ON wish.id = service.id
    LEFT JOIN exchange_bill bill ON bill.id = wish.bill_id ORDER BY wish.id DESC LIMIT 1
$$;
REVOKE ALL ON FUNCTION exchange_slip_state(text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION exchange_slip_state(text, timestamptz) TO medisettle_app, medisettle_worker;
GRANT CREATE ON SCHEMA public TO medisettle_worker;
ALTER FUNCTION exchange_slip_state(text, timestamptz) OWNER TO medisettle_worker;
REVOKE CREATE ON SCHEMA public FROM medisettle_worker;
"""


class Migration(migrations.Migration):
    dependencies = [("exchange", "0008_shifts_found_at_once")]
    operations = [migrations.RunSQL(SQL, elidable=False)]
