"""What Python cannot promise: the rules of the ledger as triggers, and the rights of the roles.

The hot path writes hundreds of postings at once, so nearly all rules are checked by one statement per written batch
(triggers on the statement, reading its rows as `fresh`). Only "a posting has legs" must wait for the commit.
Every function runs as the owner with a fixed search path whose last part is pg_temp: a table that a role makes for
itself, under the name of ours, is not looked at. Those of the hot path walk from the few new rows by primary key
whatever the planner thinks: a plan that a session made while the tables were small would scan them once they are large.
"""

from django.db import migrations

# A posting and its legs are written in one database transaction. `written_in` says which; it is read by triggers only.
# A row's xmin would not do: inside a savepoint it is the savepoint's number, not the transaction's.
WRITTEN_IN = """
ALTER TABLE ledger_posting ADD COLUMN written_in xid8 NOT NULL DEFAULT pg_current_xact_id();
"""

# Raised errors carry the rule's name as their constraint, as if it were one.
REFUSE = """
CREATE FUNCTION ledger_refuse(rule text, sentence text, subject text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: %', sentence, subject USING ERRCODE = 'check_violation', CONSTRAINT = rule;
END $$;
"""

POSTINGS = """
CREATE FUNCTION ledger_check_postings() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    wrong record;
BEGIN
    -- With an older snapshot the period that was closed a moment ago would not be seen.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        PERFORM ledger_refuse('postings_need_read_committed', 'postings are written in READ COMMITTED', '');
    END IF;
    -- Shared by all postings of a book until their commit; who closes a period takes it alone.
    PERFORM 1 FROM ledger_book WHERE id IN (SELECT book_id FROM fresh) ORDER BY id FOR KEY SHARE;
    SELECT f.id, CASE
            WHEN b.id IS NULL THEN 'posting_belongs_to_a_book'
            WHEN b.organisation_id <> f.organisation_id THEN 'posting_has_its_books_organisation'
            WHEN (f.booked_at AT TIME ZONE b.time_zone)::date <> f.booked_day THEN 'posting_is_booked_on_its_day'
            WHEN f.written_in <> pg_current_xact_id() THEN 'posting_is_written_now'
            WHEN f.reverses_id IS NOT NULL AND (o.id IS NULL OR o.book_id <> f.book_id) THEN 'mirror_has_an_original'
            WHEN o.reverses_id IS NOT NULL THEN 'a_mirror_is_not_mirrored'
            ELSE 'no_posting_into_a_closed_period' END AS rule
        INTO wrong
        FROM fresh f LEFT JOIN ledger_book b ON b.id = f.book_id LEFT JOIN ledger_posting o ON o.id = f.reverses_id
        LEFT JOIN LATERAL (
            SELECT true AS shut FROM ledger_closedperiod c
            WHERE c.book_id = f.book_id AND c.last_day >= f.booked_day LIMIT 1) closed ON true
        WHERE b.id IS NULL OR b.organisation_id <> f.organisation_id
            OR (f.booked_at AT TIME ZONE b.time_zone)::date <> f.booked_day OR f.written_in <> pg_current_xact_id()
            OR f.reverses_id IS NOT NULL AND (o.id IS NULL OR o.book_id <> f.book_id OR o.reverses_id IS NOT NULL)
            OR closed.shut
        LIMIT 1;
    IF FOUND THEN
        PERFORM ledger_refuse(wrong.rule, 'this posting is refused by the rule ' || wrong.rule, wrong.id::text);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_postings AFTER INSERT ON ledger_posting REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_postings();

-- Legs come after their posting, so this one waits for the commit. Legs cannot be added later nor taken away, and are
-- checked as they are written: that there are some is all that is left to ask.
CREATE FUNCTION ledger_check_legs_exist() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM ledger_leg WHERE posting_id = NEW.id) THEN
        PERFORM ledger_refuse('posting_has_legs', 'a posting without legs', NEW.id::text);
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_legs_exist AFTER INSERT ON ledger_posting DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION ledger_check_legs_exist();
"""

# All legs of a posting come in one statement, numbered 1..n: a second statement would have to use number 1 again, which
# the primary key refuses. So what is checked here about the statement's rows is true of the posting for ever.
LEGS = """
CREATE FUNCTION ledger_check_legs() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    wrong record;
    mirrors boolean;
    limited boolean;
BEGIN
    SELECT min(CASE WHEN p.id IS NULL OR p.written_in <> pg_current_xact_id() THEN l.posting_id::text END) AS late,
            min(CASE WHEN p.organisation_id <> l.organisation_id OR p.booked_day <> l.booked_day OR a.id IS NULL
                OR a.book_id <> p.book_id OR a.currency <> l.currency THEN l.posting_id::text END) AS strange,
            bool_or(p.reverses_id IS NOT NULL) AS mirrors, bool_or(a.limited) AS limited
        INTO wrong
        FROM fresh l
        LEFT JOIN ledger_posting p ON p.id = l.posting_id LEFT JOIN ledger_account a ON a.id = l.account_id;
    IF wrong.late IS NOT NULL THEN
        PERFORM ledger_refuse('legs_are_written_with_their_posting', 'legs whose posting is not of this commit',
            wrong.late);
    END IF;
    IF wrong.strange IS NOT NULL THEN
        PERFORM ledger_refuse('legs_fit_posting_and_account', 'a leg of another book, day or currency', wrong.strange);
    END IF;
    mirrors := wrong.mirrors;
    limited := wrong.limited;
    SELECT posting_id INTO wrong FROM fresh GROUP BY posting_id
        HAVING count(*) < 2 OR min(line_no) <> 1 OR max(line_no) <> count(*) LIMIT 1;
    IF FOUND THEN
        PERFORM ledger_refuse('legs_are_two_or_more_from_one',
            'legs are written together, two or more, numbered from 1', wrong.posting_id::text);
    END IF;
    SELECT posting_id INTO wrong FROM fresh GROUP BY posting_id, currency
        HAVING sum(CASE side WHEN 'D' THEN amount_minor ELSE -amount_minor END) <> 0 LIMIT 1;
    IF FOUND THEN
        PERFORM ledger_refuse('posting_is_balanced', 'debits and credits differ', wrong.posting_id::text);
    END IF;
    IF mirrors THEN
        SELECT l.posting_id INTO wrong
            FROM fresh l JOIN ledger_posting p ON p.id = l.posting_id AND p.reverses_id IS NOT NULL
            LEFT JOIN ledger_leg o ON o.posting_id = p.reverses_id AND o.line_no = l.line_no
                AND o.account_id = l.account_id AND o.currency = l.currency AND o.amount_minor = l.amount_minor
                AND o.side <> l.side
            GROUP BY l.posting_id, p.reverses_id
            HAVING count(o.line_no) <> count(*)
                OR count(*) <> (SELECT count(*) FROM ledger_leg WHERE posting_id = p.reverses_id) LIMIT 1;
        IF FOUND THEN
            PERFORM ledger_refuse('mirror_is_exact', 'not the exact mirror of its original', wrong.posting_id::text);
        END IF;
    END IF;
    IF limited THEN
        PERFORM ledger_move_balances_of(array_agg(l.account_id), array_agg(
                CASE WHEN l.side = a.normal_side THEN l.amount_minor ELSE -l.amount_minor END))
            FROM fresh l JOIN ledger_account a ON a.id = l.account_id AND a.limited;
    END IF;
    RETURN NULL;
END $$;
-- The CHECK constraints of the balance row refuse what goes beyond floor or limit.
CREATE FUNCTION ledger_move_balances_of(accounts bigint[], changes bigint[]) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM 1 FROM ledger_accountbalance WHERE account_id = ANY (accounts) ORDER BY account_id FOR UPDATE;
    UPDATE ledger_accountbalance b SET balance_minor = b.balance_minor + c.change
        FROM (SELECT account, sum(change) AS change
            FROM unnest(accounts, changes) AS n (account, change) GROUP BY account) c
        WHERE b.account_id = c.account;
END $$;
CREATE TRIGGER check_legs AFTER INSERT ON ledger_leg REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_legs();
"""

ACCOUNTS = """
-- organisation_id is what row-level security goes by, so nobody may choose it.
CREATE FUNCTION ledger_take_organisation() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    SELECT organisation_id INTO STRICT NEW.organisation_id FROM ledger_book WHERE id = NEW.book_id;
    RETURN NEW;
END $$;
CREATE TRIGGER take_organisation BEFORE INSERT ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_take_organisation();

-- A limited account has its balance row from birth on: there is no leg that it does not count.
CREATE FUNCTION ledger_open_balance() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO ledger_accountbalance (account_id, organisation_id, balance_minor, held_up_minor, held_down_minor,
            floor_minor, limit_minor, limit_at, limit_by, limit_reason)
        VALUES (NEW.id, NEW.organisation_id, 0, 0, 0, 0, 0, NEW.created_at, 'ledger', 'opened');
    RETURN NULL;
END $$;
CREATE TRIGGER open_balance AFTER INSERT ON ledger_account FOR EACH ROW WHEN (NEW.limited)
    EXECUTE FUNCTION ledger_open_balance();

CREATE FUNCTION ledger_log_limit() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO ledger_limitchange (account_id, organisation_id, floor_minor, limit_minor, at, by, reason)
        VALUES (NEW.account_id, NEW.organisation_id, NEW.floor_minor, NEW.limit_minor, NEW.limit_at, NEW.limit_by,
            NEW.limit_reason);
    RETURN NULL;
END $$;
CREATE TRIGGER log_limit AFTER UPDATE OF floor_minor, limit_minor ON ledger_accountbalance FOR EACH ROW
    WHEN ((OLD.floor_minor, OLD.limit_minor) IS DISTINCT FROM (NEW.floor_minor, NEW.limit_minor))
    EXECUTE FUNCTION ledger_log_limit();
"""

HOLDS = """
SELECT core_state_machine('ledger_hold', 'OPEN>POSTED,OPEN>VOIDED,OPEN>EXPIRED', 'OPEN');

CREATE FUNCTION ledger_check_hold() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (OLD.state <> 'OPEN' OR NEW.state = 'OPEN') THEN
        PERFORM ledger_refuse('hold_is_resolved_once', 'a hold changes once, by its resolution', NEW.id::text);
    END IF;
    SELECT organisation_id INTO NEW.organisation_id FROM ledger_account WHERE id = NEW.account_id AND limited;
    IF NOT FOUND THEN
        PERFORM ledger_refuse('hold_is_on_a_limited_account', 'nothing can be held on an account without limit',
            NEW.id::text);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_hold BEFORE INSERT OR UPDATE ON ledger_hold FOR EACH ROW EXECUTE FUNCTION ledger_check_hold();

-- Afterwards, not before: an insert that ends as ON CONFLICT DO NOTHING has run its BEFORE triggers all the same.
CREATE FUNCTION ledger_move_held() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    change bigint := CASE TG_OP WHEN 'INSERT' THEN NEW.amount_minor ELSE -NEW.amount_minor END;
    upward boolean;
BEGIN
    SELECT NEW.side = normal_side INTO STRICT upward FROM ledger_account WHERE id = NEW.account_id;
    UPDATE ledger_accountbalance SET
        held_up_minor = held_up_minor + CASE WHEN upward THEN change ELSE 0 END,
        held_down_minor = held_down_minor + CASE WHEN upward THEN 0 ELSE change END
        WHERE account_id = NEW.account_id;
    RETURN NULL;
END $$;
CREATE TRIGGER move_held AFTER INSERT OR UPDATE ON ledger_hold FOR EACH ROW EXECUTE FUNCTION ledger_move_held();

-- A hold counts as used only by a posting of the same commit that really moves that much there.
CREATE FUNCTION ledger_check_hold_used() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM ledger_posting WHERE id = NEW.posting_id AND written_in = pg_current_xact_id())
        OR (SELECT sum(resolved_minor) FROM ledger_hold
            WHERE posting_id = NEW.posting_id AND account_id = NEW.account_id AND side = NEW.side)
        > (SELECT coalesce(sum(amount_minor), 0) FROM ledger_leg
            WHERE posting_id = NEW.posting_id AND account_id = NEW.account_id AND side = NEW.side) THEN
        PERFORM ledger_refuse('posted_hold_is_covered_by_its_posting', 'no posting of this commit uses this hold',
            NEW.id::text);
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_hold_used AFTER UPDATE ON ledger_hold DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.state = 'POSTED') EXECUTE FUNCTION ledger_check_hold_used();

CREATE TRIGGER never_deleted BEFORE DELETE ON ledger_hold FOR EACH ROW EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON ledger_hold EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER never_deleted BEFORE DELETE ON ledger_accountbalance FOR EACH ROW EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON ledger_accountbalance EXECUTE FUNCTION core_refuse_change();
"""

PERIODS = """
CREATE FUNCTION ledger_check_period() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    book ledger_book;
BEGIN
    -- Waits for the postings of this book that are on their way to their commit; later ones wait for this one.
    SELECT * INTO STRICT book FROM ledger_book WHERE id = NEW.book_id FOR UPDATE;
    NEW.organisation_id := book.organisation_id;
    IF NEW.last_day >= (NEW.closed_at AT TIME ZONE book.time_zone)::date THEN
        PERFORM ledger_refuse('a_period_is_closed_when_it_is_over', 'this period is not over', NEW.last_day::text);
    END IF;
    IF NEW.length = 'month' AND (NEW.first_day <> date_trunc('month', NEW.last_day)::date
            OR NEW.last_day <> (date_trunc('month', NEW.last_day) + interval '1 month - 1 day')::date) THEN
        PERFORM ledger_refuse('a_month_is_whole', 'a month runs from its first day to its last', NEW.last_day::text);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_period BEFORE INSERT ON ledger_closedperiod FOR EACH ROW EXECUTE FUNCTION ledger_check_period();

CREATE FUNCTION ledger_check_snapshots() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    wrong record;
BEGIN
    SELECT s.id INTO wrong FROM fresh s JOIN ledger_account a ON a.id = s.account_id
        WHERE a.limited OR a.organisation_id <> s.organisation_id OR NOT EXISTS (
            SELECT 1 FROM ledger_closedperiod c WHERE c.book_id = a.book_id AND c.last_day >= s.day) LIMIT 1;
    IF FOUND THEN
        PERFORM ledger_refuse('snapshots_are_of_closed_days', 'only closed days of summed accounts are kept as sums',
            wrong.id::text);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_snapshots AFTER INSERT ON ledger_snapshot REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_snapshots();
"""

# Role app reads its own organisation's rows and writes none. Role worker adds rows; of what can change it may set
# limits and resolve holds. The amounts of a balance are moved by the triggers alone.
RIGHTS = """
DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['account', 'accountbalance', 'limitchange', 'posting', 'leg', 'hold', 'closedperiod',
            'snapshot', 'book'] LOOP
        PERFORM core_protect(('ledger_' || target)::regclass, 'organisation_id = ANY (core_organisations())', 'SELECT');
    END LOOP;
    FOREACH target IN ARRAY ARRAY['account', 'limitchange', 'posting', 'leg', 'closedperiod', 'snapshot', 'book'] LOOP
        PERFORM core_append_only(('ledger_' || target)::regclass);
    END LOOP;
END $$;
REVOKE INSERT ON ledger_limitchange FROM medisettle_worker;
REVOKE INSERT, UPDATE, DELETE ON ledger_accountbalance FROM medisettle_worker;
GRANT UPDATE (floor_minor, limit_minor, limit_at, limit_by, limit_reason) ON ledger_accountbalance TO medisettle_worker;
REVOKE UPDATE, DELETE ON ledger_hold FROM medisettle_worker;
GRANT UPDATE (state, version, state_at, state_by, state_reason, resolved_minor, posting_id)
    ON ledger_hold TO medisettle_worker;
REVOKE EXECUTE ON FUNCTION ledger_move_balances_of(bigint[], bigint[]) FROM PUBLIC;
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0001_roles_and_guards"), ("ledger", "0001_books_and_postings")]
    operations = [
        migrations.RunSQL(sql, elidable=False)
        for sql in (WRITTEN_IN, REFUSE, POSTINGS, LEGS, ACCOUNTS, HOLDS, PERIODS, RIGHTS)
    ]
