"""Who sees what of the patients' side, and the few functions that run before anybody is known.

Their search path ends with pg_temp, as in accounts/0002.
"""

from django.db import migrations

TABLES = """
SELECT core_protect('patients_patientaccount', 'person_id = ANY (core_persons())', 'SELECT');
SELECT core_protect('patients_signincode', 'false', '');
SELECT core_protect('patients_helpergrant', 'person_id = ANY (core_persons())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('patients_consentrecord', 'person_id = ANY (core_persons())', 'SELECT, INSERT');
SELECT core_append_only('patients_consentrecord');
SELECT core_protect('patients_conversation', 'person_id = ANY (core_persons())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('patients_message', 'EXISTS (SELECT 1 FROM patients_conversation conversation
    WHERE conversation.id = conversation_id)', 'SELECT, INSERT');
SELECT core_append_only('patients_message');
"""

FIXED = """
CREATE FUNCTION patients_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;
-- What a helper may do and until when was agreed to: she sees the row, and changes nothing of it.
CREATE TRIGGER a_grant_only_ends BEFORE UPDATE ON patients_helpergrant FOR EACH ROW WHEN (
    (OLD.id, OLD.person_id, OLD.helper_phone_index, OLD.scopes, OLD.mandate_digest, OLD.until, OLD.invited_at)
    IS DISTINCT FROM
    (NEW.id, NEW.person_id, NEW.helper_phone_index, NEW.scopes, NEW.mandate_digest, NEW.until, NEW.invited_at)
    OR (OLD.helper_id IS NOT NULL AND OLD.helper_id IS DISTINCT FROM NEW.helper_id)
    OR (OLD.accepted_at IS NOT NULL AND OLD.accepted_at IS DISTINCT FROM NEW.accepted_at)
    OR (OLD.ended_at IS NOT NULL AND OLD.ended_at IS DISTINCT FROM NEW.ended_at)
) EXECUTE FUNCTION patients_refuse_change('a grant is accepted and ends, nothing else of it changes');
CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON patients_helpergrant FOR EACH ROW
    EXECUTE FUNCTION patients_refuse_change('grants end, they are never deleted');
CREATE TRIGGER whose_it_is_is_fixed BEFORE UPDATE ON patients_conversation FOR EACH ROW WHEN (
    (OLD.id, OLD.person_id, OLD.claim_id, OLD.topic, OLD.opened_by, OLD.opened_at)
    IS DISTINCT FROM (NEW.id, NEW.person_id, NEW.claim_id, NEW.topic, NEW.opened_by, NEW.opened_at)
) EXECUTE FUNCTION patients_refuse_change('whose conversation it is, and what about, does not change');
CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON patients_conversation FOR EACH ROW
    EXECUTE FUNCTION patients_refuse_change('conversations are never deleted');
"""

SIGN_IN = """
CREATE FUNCTION patients_code_store(number bytea, code_digest bytea, stored_at timestamptz, ends_at timestamptz)
RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    DELETE FROM patients_signincode WHERE phone_index IN (SELECT old.phone_index FROM patients_signincode old
        WHERE old.expires_at <= stored_at ORDER BY old.expires_at LIMIT 10 FOR UPDATE SKIP LOCKED);
    INSERT INTO patients_signincode (phone_index, digest, created_at, expires_at, tries)
    VALUES (number, code_digest, stored_at, ends_at, 0)
    ON CONFLICT (phone_index) DO UPDATE SET digest = excluded.digest, created_at = excluded.created_at,
        expires_at = excluded.expires_at, tries = 0;
END $$;
-- True once: the try is counted before the code is looked at, and a right code is gone with it.
CREATE FUNCTION patients_code_use(number bytea, code_digest bytea, used_at timestamptz, most_tries integer)
RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    fits boolean;
BEGIN
    UPDATE patients_signincode SET tries = tries + 1
        WHERE phone_index = number AND expires_at > used_at AND tries < most_tries
        RETURNING digest = code_digest INTO fits;
    IF coalesce(fits, false) THEN
        DELETE FROM patients_signincode WHERE phone_index = number;
    END IF;
    RETURN coalesce(fits, false);
END $$;
CREATE FUNCTION patients_account_sign_in(
    new_id uuid, number bytea, sealed_number bytea, wished_language text, at timestamptz
) RETURNS TABLE (account_id uuid, is_blocked boolean) LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO patients_patientaccount AS stored
        (id, phone_index, sealed_phone, language, created_at, signed_in_at)
    VALUES (new_id, number, sealed_number, wished_language, at, at)
    ON CONFLICT (phone_index) DO UPDATE SET signed_in_at = excluded.signed_in_at, language = excluded.language
    RETURNING stored.id, stored.blocked_at IS NOT NULL
$$;
CREATE FUNCTION patients_account_read(wanted uuid) RETURNS TABLE (language text, phone_index bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT account.language, account.phone_index FROM patients_patientaccount account
    WHERE account.id = wanted AND account.blocked_at IS NULL
$$;
"""

STANDING = """
-- All records of one human being: the one that is kept and those merged into it.
CREATE FUNCTION patients_records(record uuid) RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
    WITH RECURSIVE up (id, depth) AS (
        SELECT record, 0 UNION SELECT person.merged_into_id, depth + 1 FROM registry_person person JOIN up USING (id)
        WHERE person.merged_into_id IS NOT NULL AND depth < 5
    ), down (id, depth) AS (
        SELECT id, 0 FROM (SELECT id FROM up ORDER BY depth DESC LIMIT 1) kept
        UNION SELECT person.id, down.depth + 1 FROM registry_person person JOIN down ON person.merged_into_id = down.id
        WHERE down.depth < 5
    ) SELECT array_agg(id ORDER BY depth, id) FROM down
$$;
-- Under age or incapable on that day; the same as registry.selectors.persons.needs_guardian.
CREATE FUNCTION patients_needs_guardian(person registry_person, on_day date) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce(person.incapable_since <= on_day, false) OR extract(year FROM on_day)
        - extract(year FROM person.born_on) - (to_char(on_day, 'MMDD') < to_char(person.born_on, 'MMDD'))::integer < 18
$$;
-- For whom the account acts on a day, as what, and with which rights; `records` are all records of that person.
CREATE FUNCTION patients_standing(wanted uuid, on_day date)
RETURNS TABLE (person_id uuid, capacity text, scopes jsonb, records uuid[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH account AS (
        SELECT * FROM patients_patientaccount found WHERE found.id = wanted AND found.blocked_at IS NULL
    ), myself AS (
        SELECT person.*, patients_needs_guardian(person, on_day) AS is_ward, patients_records(person.id) AS all_records
        FROM account JOIN registry_person person ON person.id = (patients_records(account.person_id))[1]
        -- A number that was given up, and another's now, opens nothing any more.
        WHERE person.died_on IS NULL AND person.erased_at IS NULL AND EXISTS (
            SELECT 1 FROM registry_person record WHERE record.id = ANY (patients_records(person.id))
                AND record.phone_index = account.phone_index)
    )
    SELECT myself.id, 'SELF', CASE WHEN is_ward THEN '["SEE"]' ELSE '["SEE","UPLOAD","SUBMIT","COLLECT"]' END::jsonb,
        all_records FROM myself
    UNION ALL
    SELECT ward.id, 'GUARDIAN', '["SEE","UPLOAD","SUBMIT","COLLECT"]'::jsonb, patients_records(ward.id)
    FROM myself JOIN registry_guardian guardian ON guardian.guardian_id = ANY (myself.all_records)
        JOIN registry_person ward ON ward.id = (patients_records(guardian.person_id))[1]
    WHERE NOT myself.is_ward AND guardian.since <= on_day AND (guardian.until IS NULL OR guardian.until >= on_day)
        AND ward.died_on IS NULL AND ward.erased_at IS NULL AND patients_needs_guardian(ward, on_day)
    UNION ALL
    SELECT helped.id, 'HELPER', helping.scopes, patients_records(helped.id)
    FROM account JOIN patients_helpergrant helping ON helping.helper_id = account.id
        JOIN registry_person helped ON helped.id = (patients_records(helping.person_id))[1]
    WHERE helping.accepted_at IS NOT NULL AND helping.ended_at IS NULL AND helping.until >= on_day
        AND helped.died_on IS NULL AND helped.erased_at IS NULL
$$;
-- The living person of that identity who has the account's number on record: another insurer's file says both.
CREATE FUNCTION patients_person_match(wanted uuid, identity bytea) RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT person.id FROM registry_person person
        JOIN patients_patientaccount account ON account.phone_index = person.phone_index
    WHERE account.id = wanted AND account.blocked_at IS NULL AND person.id_index = identity
        AND person.merged_into_id IS NULL AND person.erased_at IS NULL AND person.died_on IS NULL
$$;
-- One account per person: the number that is on record now takes the place of a former one.
CREATE FUNCTION patients_account_bind(wanted uuid, identity bytea, at timestamptz) RETURNS boolean LANGUAGE plpgsql
VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    found uuid := patients_person_match(wanted, identity);
BEGIN
    IF found IS NULL THEN
        RETURN false;
    END IF;
    UPDATE patients_patientaccount SET person_id = NULL WHERE person_id = found AND id <> wanted;
    UPDATE patients_patientaccount SET person_id = found, bound_at = at WHERE id = wanted;
    RETURN true;
END $$;
"""

INVITATIONS = """
CREATE FUNCTION patients_invitations(wanted uuid, on_day date)
RETURNS TABLE (grant_id uuid, scopes jsonb, until date, invited_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT offered.id, offered.scopes, offered.until, offered.invited_at FROM patients_helpergrant offered
        JOIN patients_patientaccount account ON account.phone_index = offered.helper_phone_index
    WHERE account.id = wanted AND account.blocked_at IS NULL AND offered.accepted_at IS NULL
        AND offered.ended_at IS NULL AND offered.until >= on_day ORDER BY offered.invited_at LIMIT 50
$$;
-- The person who invited, or NULL where there is nothing to accept. Nobody becomes his own helper.
CREATE FUNCTION patients_invitation_accept(wanted uuid, offer uuid, on_day date, at timestamptz) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    UPDATE patients_helpergrant accepted SET helper_id = wanted, accepted_at = at
    FROM patients_patientaccount account
    WHERE accepted.id = offer AND account.id = wanted AND account.blocked_at IS NULL
        AND account.phone_index = accepted.helper_phone_index AND accepted.accepted_at IS NULL
        AND accepted.ended_at IS NULL AND accepted.until >= on_day
        AND account.person_id IS DISTINCT FROM accepted.person_id
    RETURNING accepted.person_id
$$;
"""

OWNERS = """
DO $$
DECLARE
    definer regprocedure;
BEGIN
    GRANT CREATE ON SCHEMA public TO medisettle_worker;
    FOREACH definer IN ARRAY ARRAY[
        'patients_code_store(bytea, bytea, timestamptz, timestamptz)',
        'patients_code_use(bytea, bytea, timestamptz, integer)',
        'patients_account_sign_in(uuid, bytea, bytea, text, timestamptz)', 'patients_account_read(uuid)',
        'patients_records(uuid)', 'patients_standing(uuid, date)', 'patients_person_match(uuid, bytea)',
        'patients_account_bind(uuid, bytea, timestamptz)', 'patients_invitations(uuid, date)',
        'patients_invitation_accept(uuid, uuid, date, timestamptz)']::regprocedure[]
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', definer);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO medisettle_app, medisettle_worker', definer);
        EXECUTE format('ALTER FUNCTION %s OWNER TO medisettle_worker', definer);
    END LOOP;
    REVOKE CREATE ON SCHEMA public FROM medisettle_worker;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("patients", "0001_accounts_helpers_consents_conversations"),
        ("accounts", "0002_accounts_row_security"),
        ("core", "0004_persons_seen"),
        ("registry", "0002_registry_guards"),
    ]
    operations = [
        migrations.RunSQL(sql, elidable=False) for sql in (TABLES, FIXED, SIGN_IN, STANDING, INVITATIONS, OWNERS)
    ]
