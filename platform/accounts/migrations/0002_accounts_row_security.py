"""Who may see and write which account, and the few functions that run before an organisation is known.

Their search path ends with pg_temp: unnamed it would be searched first, and a caller's temporary table taken for ours.
"""

from django.db import migrations

NEAR = """
-- The organisations this transaction sees, with their parents and children. SECURITY DEFINER, as a policy that read
-- its own table would call itself for ever.
CREATE FUNCTION accounts_organisations_near() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce(array_agg(organisation.id), '{}') FROM accounts_organisation organisation
    WHERE organisation.id = ANY (core_organisations()) OR organisation.parent_id = ANY (core_organisations())
        OR organisation.id IN (SELECT child.parent_id FROM accounts_organisation child
            WHERE child.id = ANY (core_organisations()))
$$;
"""

TABLES = """
-- With whom a hospital settles is no secret: insurers are seen by all. Only the platform writes organisations.
SELECT core_protect('accounts_organisation',
    'id = ANY ((SELECT accounts_organisations_near())::bigint[]) OR kind = ''insurer''', 'SELECT, INSERT, UPDATE');
CREATE POLICY only_the_platform_adds ON accounts_organisation AS RESTRICTIVE FOR INSERT TO medisettle_app
    WITH CHECK (core_everything());
CREATE POLICY only_the_platform_changes ON accounts_organisation AS RESTRICTIVE FOR UPDATE TO medisettle_app
    USING (core_everything());
SELECT core_protect('accounts_user', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('accounts_clientkey', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
-- Reached through accounts_sign_in_try and accounts_sign_in_passed only.
SELECT core_protect('accounts_signintries', 'false', '');
"""

AUDIT = """
CREATE FUNCTION accounts_audit_written_in() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.written_in := pg_current_xact_id()::text::bigint;
    RETURN NEW;
END $$;
CREATE TRIGGER written_in BEFORE INSERT ON accounts_auditentry FOR EACH ROW
    EXECUTE FUNCTION accounts_audit_written_in();
SELECT core_protect('accounts_auditentry', 'organisation_id = ANY (core_organisations())', 'SELECT');
-- An act before anybody is known, say a sign-in with a wrong name, is written under organisation 0 and not read back.
CREATE POLICY anybody_adds_an_act_of_nobody ON accounts_auditentry FOR INSERT TO medisettle_app
    WITH CHECK (organisation_id = 0);
REVOKE INSERT ON accounts_auditentry FROM medisettle_worker;
GRANT INSERT (organisation_id, at, actor, action, subject, details, trace_id) ON accounts_auditentry
    TO medisettle_app, medisettle_worker;
SELECT core_append_only('accounts_auditentry');
SELECT core_protect('accounts_auditseal', 'false', '');
SELECT core_append_only('accounts_auditseal');
-- The web processes never seal, so they cannot read the key of the seal either.
CREATE POLICY audit_key_is_the_workers ON core_datakey AS RESTRICTIVE TO medisettle_app
    USING (scope <> 'audit-seal') WITH CHECK (scope <> 'audit-seal');
"""

CLIENT_KEYS = """
CREATE FUNCTION accounts_client_key_find(wanted_prefix text) RETURNS TABLE (
    key_id bigint, organisation_id bigint, organisation_code text, digest bytea, scopes jsonb, terminal_no text,
    expires_at timestamptz, revoked_at timestamptz, organisation_suspended_at timestamptz, last_used_at timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT key.id, organisation.id, organisation.code, key.digest, key.scopes, key.terminal_no,
        key.expires_at, key.revoked_at, organisation.suspended_at, key.last_used_at
    FROM accounts_clientkey key JOIN accounts_organisation organisation ON organisation.id = key.organisation_id
    WHERE key.prefix = wanted_prefix
$$;
-- At most once a minute per key, and never waiting for another till that is just writing the same row.
CREATE FUNCTION accounts_client_key_used(used_key bigint, used_at timestamptz) RETURNS void LANGUAGE sql VOLATILE
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    UPDATE accounts_clientkey SET last_used_at = used_at WHERE id = (
        SELECT id FROM accounts_clientkey
        WHERE id = used_key AND (last_used_at IS NULL OR last_used_at < used_at - interval '1 minute')
        FOR NO KEY UPDATE SKIP LOCKED)
$$;
"""

SIGN_IN = """
-- `sees` are the organisations whose rows the user's requests see: his own, and the shops of his chain.
CREATE FUNCTION accounts_user_for_session(user_id bigint) RETURNS TABLE (
    id bigint, password text, username text, display_name text, organisation_id bigint, roles jsonb, language text,
    is_active boolean, created_at timestamptz, organisation_kind text, organisation_suspended_at timestamptz,
    sees bigint[]
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT person.id, person.password, person.username, person.display_name, person.organisation_id, person.roles,
        person.language, person.is_active, person.created_at, organisation.kind, organisation.suspended_at,
        ARRAY(SELECT near.id FROM accounts_organisation near
            WHERE near.id = organisation.id OR near.parent_id = organisation.id ORDER BY near.id)
    FROM accounts_user person JOIN accounts_organisation organisation ON organisation.id = person.organisation_id
    WHERE person.id = user_id
$$;
CREATE FUNCTION accounts_user_for_sign_in(wanted_username text) RETURNS TABLE (
    id bigint, password text, username text, display_name text, organisation_id bigint, roles jsonb, language text,
    is_active boolean, created_at timestamptz, organisation_kind text, organisation_suspended_at timestamptz,
    sees bigint[]
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT found.* FROM accounts_user person, accounts_user_for_session(person.id) found
    WHERE person.username = wanted_username
$$;
-- Counts a try before the password is looked at, so that many guesses at once cannot slip past the limit.
-- `locked_until` is NULL when the try is allowed; `newly_locked` only at the first try that is not.
CREATE FUNCTION accounts_sign_in_try(
    subject_tried text, most_tries integer, tried_at timestamptz, window_seconds integer,
    OUT locked_until timestamptz, OUT newly_locked boolean
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    counted accounts_signintries;
BEGIN
    -- Each call clears away more old rows than it makes: the table cannot grow past one window.
    DELETE FROM accounts_signintries WHERE subject IN (SELECT old.subject FROM accounts_signintries old
        WHERE old.window_ends_at <= tried_at ORDER BY old.window_ends_at LIMIT 10 FOR UPDATE SKIP LOCKED);
    INSERT INTO accounts_signintries AS stored (subject, tries, window_ends_at)
    VALUES (subject_tried, 1, tried_at + make_interval(secs => window_seconds))
    ON CONFLICT (subject) DO UPDATE SET
        tries = CASE WHEN stored.window_ends_at <= tried_at THEN 1 ELSE least(stored.tries, most_tries + 1) + 1 END,
        window_ends_at = CASE WHEN stored.window_ends_at <= tried_at THEN excluded.window_ends_at
            ELSE stored.window_ends_at END
    RETURNING * INTO counted;
    locked_until := CASE WHEN counted.tries > most_tries THEN counted.window_ends_at END;
    newly_locked := counted.tries = most_tries + 1;
END $$;
-- A sign-in that succeeded was no guess: its tries are given back.
CREATE FUNCTION accounts_sign_in_passed(passed_subjects text[]) RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
    UPDATE accounts_signintries SET tries = greatest(tries - 1, 0) WHERE subject = ANY (passed_subjects)
$$;
"""

OWNERS = """
DO $$
DECLARE
    definer regprocedure;
BEGIN
    -- Who hands over a function needs, for that moment, the new owner's right to create in the schema.
    GRANT CREATE ON SCHEMA public TO medisettle_worker;
    FOREACH definer IN ARRAY ARRAY[
        'accounts_organisations_near()', 'accounts_client_key_find(text)',
        'accounts_client_key_used(bigint, timestamptz)', 'accounts_user_for_session(bigint)',
        'accounts_user_for_sign_in(text)', 'accounts_sign_in_try(text, integer, timestamptz, integer)',
        'accounts_sign_in_passed(text[])']::regprocedure[]
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', definer);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO medisettle_app, medisettle_worker', definer);
        EXECUTE format('ALTER FUNCTION %s OWNER TO medisettle_worker', definer);
    END LOOP;
    REVOKE CREATE ON SCHEMA public FROM medisettle_worker;
END $$;
"""

DJANGO = """
-- No row security on sessions: they are read before anybody is known, and their random key is the secret.
GRANT SELECT, INSERT, UPDATE, DELETE ON django_session TO medisettle_app, medisettle_worker;
GRANT SELECT ON django_content_type, auth_permission, auth_group, auth_group_permissions
    TO medisettle_app, medisettle_worker;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_organisations_users_keys_audit"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("core", "0003_core_row_security"),
        ("sessions", "0001_initial"),
    ]
    operations = [
        migrations.RunSQL(sql, elidable=False) for sql in (NEAR, TABLES, AUDIT, CLIENT_KEYS, SIGN_IN, OWNERS, DJANGO)
    ]
