"""What must never be false of master data, held by PostgreSQL: states, fixed terms, moves, who sees what."""

from django.db import migrations

STATES = """
SELECT core_state_machine('registry_terms',
    'DRAFT>PROPOSED,PROPOSED>DRAFT,PROPOSED>APPROVED,DRAFT>WITHDRAWN,PROPOSED>WITHDRAWN', 'DRAFT');
SELECT core_state_machine('registry_authorisation',
    'ACTIVE>SUSPENDED,SUSPENDED>ACTIVE,ACTIVE>ENDED,SUSPENDED>ENDED', 'ACTIVE');
"""

FIXED = """
CREATE FUNCTION registry_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER terms_in_force_are_fixed BEFORE UPDATE ON registry_terms FOR EACH ROW
    WHEN (OLD.state IN ('APPROVED', 'WITHDRAWN'))
    EXECUTE FUNCTION registry_refuse_change('approved terms do not change, a new version takes their place');
CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON registry_terms FOR EACH ROW
    EXECUTE FUNCTION registry_refuse_change('terms are never deleted');
CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON registry_person FOR EACH ROW
    EXECUTE FUNCTION registry_refuse_change('persons are erased by their key, never deleted');
CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON registry_policy FOR EACH ROW
    EXECUTE FUNCTION registry_refuse_change('policies are never deleted');
CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON registry_authorisation FOR EACH ROW
    EXECUTE FUNCTION registry_refuse_change('authorisations are never deleted');
"""

BENEFITS = """
-- The counts are the sum of the moves: only this trigger changes them, under the account's row lock.
CREATE FUNCTION registry_benefit_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE registry_benefitaccount SET
        held_minor = held_minor + CASE NEW.kind
            WHEN 'HOLD' THEN NEW.amount_minor WHEN 'RELEASE' THEN -NEW.amount_minor
            WHEN 'USE' THEN -NEW.amount_minor ELSE 0 END,
        used_minor = used_minor + CASE NEW.kind
            WHEN 'USE' THEN NEW.amount_minor WHEN 'GIVE_BACK' THEN -NEW.amount_minor
            WHEN 'IMPORT' THEN NEW.amount_minor ELSE 0 END
        WHERE id = NEW.account_id;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION registry_benefit_count() FROM PUBLIC;
CREATE TRIGGER benefit_count AFTER INSERT ON registry_benefitmove FOR EACH ROW
    EXECUTE FUNCTION registry_benefit_count();
"""

ACCESS = """
SELECT core_protect('registry_drug', 'true', 'SELECT, INSERT, UPDATE');
CREATE POLICY the_platform_adds ON registry_drug AS RESTRICTIVE FOR INSERT TO medisettle_app
    WITH CHECK (core_everything());
CREATE POLICY the_platform_changes ON registry_drug AS RESTRICTIVE FOR UPDATE TO medisettle_app
    USING (core_everything());
-- Products, their shares and approved terms are what patients compare; drafts are the insurer's own.
SELECT core_protect('registry_product', 'true', 'SELECT, INSERT, UPDATE');
CREATE POLICY its_insurer_adds ON registry_product AS RESTRICTIVE FOR INSERT TO medisettle_app
    WITH CHECK (core_everything() OR organisation_id = ANY (core_organisations()));
CREATE POLICY its_insurer_changes ON registry_product AS RESTRICTIVE FOR UPDATE TO medisettle_app
    USING (core_everything() OR organisation_id = ANY (core_organisations()));
SELECT core_protect('registry_productshare', 'true', 'SELECT, INSERT');
CREATE POLICY its_lead_adds ON registry_productshare AS RESTRICTIVE FOR INSERT TO medisettle_app WITH CHECK (
    core_everything() OR EXISTS (SELECT 1 FROM registry_product product
        WHERE product.code = product_id AND product.organisation_id = ANY (core_organisations())));
SELECT core_protect('registry_terms',
    'state = ''APPROVED'' OR organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
CREATE POLICY its_insurer_adds ON registry_terms AS RESTRICTIVE FOR INSERT TO medisettle_app
    WITH CHECK (core_everything() OR organisation_id = ANY (core_organisations()));
CREATE POLICY its_insurer_changes ON registry_terms AS RESTRICTIVE FOR UPDATE TO medisettle_app
    USING (core_everything() OR organisation_id = ANY (core_organisations()));

SELECT core_protect('registry_policymember',
    'organisation_id = ANY (core_organisations()) OR person_id = ANY (core_persons())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('registry_policy', 'organisation_id = ANY (core_organisations()) OR EXISTS (
    SELECT 1 FROM registry_policymember member
    WHERE member.policy_id = registry_policy.id AND member.person_id = ANY (core_persons()))',
    'SELECT, INSERT, UPDATE');
SELECT core_protect('registry_person', 'id = ANY (core_persons()) OR EXISTS (
    SELECT 1 FROM registry_policymember member
    WHERE member.person_id = registry_person.id AND member.organisation_id = ANY (core_organisations()))',
    'SELECT, INSERT, UPDATE');
SELECT core_protect('registry_personmerge', 'false', 'SELECT, INSERT, UPDATE');
SELECT core_protect('registry_guardian',
    'person_id = ANY (core_persons()) OR guardian_id = ANY (core_persons())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('registry_policyimport', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT');
SELECT core_append_only('registry_policyimport');
SELECT core_protect('registry_authorisation',
    'organisation_id = ANY (core_organisations()) OR person_id = ANY (core_persons())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('registry_prescription', 'person_id = ANY (core_persons()) OR EXISTS (
    SELECT 1 FROM registry_policymember member
    WHERE member.person_id = registry_prescription.person_id AND member.organisation_id = ANY (core_organisations()))',
    'SELECT, INSERT, UPDATE');
SELECT core_protect('registry_benefitaccount',
    'organisation_id = ANY (core_organisations()) OR person_id = ANY (core_persons())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('registry_benefitmove', 'organisation_id = ANY (core_organisations()) OR EXISTS (
    SELECT 1 FROM registry_benefitaccount account
    WHERE account.id = account_id AND account.person_id = ANY (core_persons()))', 'SELECT, INSERT');
SELECT core_append_only('registry_benefitmove');
-- What lies under a person's key is read by whoever sees the person.
CREATE POLICY persons_keys ON core_datakey TO medisettle_app USING (scope LIKE 'person:%' AND EXISTS (
    SELECT 1 FROM registry_person person WHERE 'person:' || person.id = scope)) WITH CHECK (scope LIKE 'person:%');
"""


class Migration(migrations.Migration):
    dependencies = [("registry", "0001_master_data"), ("core", "0004_persons_seen")]
    operations = [migrations.RunSQL(sql, elidable=False) for sql in (STATES, FIXED, BENEFITS, ACCESS)]
