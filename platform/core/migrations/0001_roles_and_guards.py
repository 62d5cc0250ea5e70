"""The SQL functions on which every table's fences stand: row security, append-only, guarded states, history."""

from django.db import migrations

ORGANISATIONS = """
-- The organisations whose rows this transaction may see: set with set_config('medisettle.organisations', '3,7', true).
CREATE FUNCTION core_organisations() RETURNS bigint[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN current_setting('medisettle.organisations', true) ~ '^[0-9,]+$'
        THEN string_to_array(current_setting('medisettle.organisations', true), ',')::bigint[]
        ELSE '{}'::bigint[] END
$$;
-- Platform staff see every organisation: the setting is a star.
CREATE FUNCTION core_everything() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(current_setting('medisettle.organisations', true) = '*', false)
$$;
"""

PROTECT = """
-- core_protect(table, predicate, privileges): row-level security for a table.
--   predicate   what role app sees, e.g. 'organisation_id = ANY (core_organisations())'; 'true' for shared data
--   privileges  what role app may do at all, e.g. 'SELECT, INSERT'
-- Role worker sees all rows through a policy of its own; it has no BYPASSRLS.
CREATE FUNCTION core_protect(target regclass, predicate text, privileges text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('CREATE POLICY worker_sees_all ON %s TO medisettle_worker USING (true) WITH CHECK (true)', target);
    EXECUTE format(
        'CREATE POLICY app_sees_its_own ON %s TO medisettle_app USING (core_everything() OR (%s)) '
        'WITH CHECK (core_everything() OR (%s))', target, predicate, predicate);
    EXECUTE format('REVOKE ALL ON %s FROM medisettle_app', target);
    IF privileges <> '' THEN
        EXECUTE format('GRANT %s ON %s TO medisettle_app', privileges, target);
    END IF;
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO medisettle_worker', target);
END $$;
"""

APPEND_ONLY = """
CREATE FUNCTION core_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
-- core_append_only(table): no UPDATE, DELETE or TRUNCATE by anybody, and the privilege gone as well.
CREATE FUNCTION core_append_only(target regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %s FOR EACH ROW '
        'EXECUTE FUNCTION core_refuse_change()', target);
    EXECUTE format('CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON %s '
        'EXECUTE FUNCTION core_refuse_change()', target);
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM medisettle_app, medisettle_worker', target);
END $$;
"""

STATES = """
-- BEFORE trigger of a state machine. Argument 0: the allowed moves 'A>B,A>C'; argument 1: the states of birth.
CREATE FUNCTION core_state_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> ALL (string_to_array(TG_ARGV[1], ',')) THEN
            RAISE EXCEPTION '% cannot begin as %', TG_TABLE_NAME, NEW.state USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.version <> OLD.version + 1 THEN
        RAISE EXCEPTION '% % was changed by somebody else (version % over %)', TG_TABLE_NAME, OLD.id, NEW.version,
            OLD.version USING ERRCODE = 'serialization_failure';
    END IF;
    IF NEW.state <> OLD.state AND OLD.state || '>' || NEW.state <> ALL (string_to_array(TG_ARGV[0], ',')) THEN
        RAISE EXCEPTION '% % may not go from % to %', TG_TABLE_NAME, OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
-- AFTER trigger: the history row, from state_by, state_reason and state_at that the move itself has set. As it is a
-- trigger, writes by bulk statements leave their rows too.
CREATE FUNCTION core_state_log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO core_transition
        (entity, entity_id, organisation_id, from_state, to_state, version, at, by, reason, trace_id)
    VALUES (TG_TABLE_NAME, NEW.id::text, NEW.organisation_id, OLD.state, NEW.state, NEW.version,
        NEW.state_at, NEW.state_by, NEW.state_reason, NEW.trace_id);
    RETURN NULL;
END $$;
-- Else whoever may make a temporary table could hang this trigger on it and write history of his own.
REVOKE ALL ON FUNCTION core_state_log() FROM PUBLIC;
-- core_state_machine(table, moves, births): both triggers. The table has the columns of core.transitions.StatefulRow.
CREATE FUNCTION core_state_machine(target regclass, moves text, births text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER state_guard BEFORE INSERT OR UPDATE ON %s FOR EACH ROW '
        'EXECUTE FUNCTION core_state_guard(%L, %L)', target, moves, births);
    EXECUTE format('CREATE TRIGGER state_log AFTER UPDATE OF state ON %s FOR EACH ROW '
        'WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION core_state_log()', target);
END $$;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies: list[tuple[str, str]] = []
    operations = [migrations.RunSQL(sql, elidable=False) for sql in (ORGANISATIONS, PROTECT, APPEND_ONLY, STATES)]
