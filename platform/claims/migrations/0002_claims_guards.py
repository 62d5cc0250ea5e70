"""What must never be false of a claim, held by PostgreSQL: machine, fixed facts, append-only logs, who sees what."""

from django.db import migrations

STATES = """
SELECT core_state_machine('claims_claim',
    'DRAFT>SUBMITTED,DRAFT>WITHDRAWN,SUBMITTED>IN_PREREVIEW,SUBMITTED>WITHDRAWN,'
    'IN_PREREVIEW>MATERIALS_REQUESTED,IN_PREREVIEW>PREREVIEW_PASSED,IN_PREREVIEW>PREREVIEW_DECLINED,'
    'IN_PREREVIEW>INVESTIGATION,IN_PREREVIEW>WITHDRAWN,'
    'MATERIALS_REQUESTED>IN_PREREVIEW,MATERIALS_REQUESTED>IN_CONFIRMATION,MATERIALS_REQUESTED>WITHDRAWN,'
    'PREREVIEW_PASSED>IN_CONFIRMATION,PREREVIEW_PASSED>CONFIRMED,PREREVIEW_PASSED>WITHDRAWN,'
    'PREREVIEW_DECLINED>APPEALED,PREREVIEW_DECLINED>CLOSED,'
    'IN_CONFIRMATION>MATERIALS_REQUESTED,IN_CONFIRMATION>INVESTIGATION,IN_CONFIRMATION>CONFIRMED,'
    'IN_CONFIRMATION>PARTLY_CONFIRMED,IN_CONFIRMATION>DECLINED,IN_CONFIRMATION>WITHDRAWN,'
    'INVESTIGATION>IN_PREREVIEW,INVESTIGATION>IN_CONFIRMATION,'
    'CONFIRMED>REOPENED,CONFIRMED>CLOSED,PARTLY_CONFIRMED>APPEALED,PARTLY_CONFIRMED>REOPENED,PARTLY_CONFIRMED>CLOSED,'
    'DECLINED>APPEALED,DECLINED>REOPENED,DECLINED>CLOSED,'
    'APPEALED>REOPENED,APPEALED>PREREVIEW_DECLINED,APPEALED>PARTLY_CONFIRMED,APPEALED>DECLINED,'
    'REOPENED>IN_PREREVIEW,REOPENED>IN_CONFIRMATION,CLOSED>REOPENED',
    'DRAFT');
"""

FIXED = """
CREATE FUNCTION claims_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER who_claims_is_fixed BEFORE UPDATE ON claims_claim FOR EACH ROW WHEN (
    (OLD.id, OLD.claim_no, OLD.person_id, OLD.created_at)
    IS DISTINCT FROM (NEW.id, NEW.claim_no, NEW.person_id, NEW.created_at)
) EXECUTE FUNCTION claims_refuse_change('whose claim it is does not change');
CREATE TRIGGER a_filed_claim_is_fixed BEFORE UPDATE ON claims_claim FOR EACH ROW WHEN (OLD.state <> 'DRAFT' AND
    (OLD.organisation_id, OLD.product_id, OLD.policy_id, OLD.drug_id, OLD.terms_id, OLD.submitted_at, OLD.quantity,
     OLD.total_minor, OLD.currency, OLD.service_on)
    IS DISTINCT FROM
    (NEW.organisation_id, NEW.product_id, NEW.policy_id, NEW.drug_id, NEW.terms_id, NEW.submitted_at, NEW.quantity,
     NEW.total_minor, NEW.currency, NEW.service_on)
) EXECUTE FUNCTION claims_refuse_change('what was claimed does not change');
CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON claims_claim FOR EACH ROW
    EXECUTE FUNCTION claims_refuse_change('claims are never deleted');
CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON claims_document FOR EACH ROW
    EXECUTE FUNCTION claims_refuse_change('documents are withdrawn, never deleted');
"""

ACCESS = """
SELECT core_protect('claims_claimparty', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
SELECT core_protect('claims_claim', 'person_id = ANY (core_persons()) OR EXISTS (
    SELECT 1 FROM claims_claimparty party WHERE party.claim_id = claims_claim.id
        AND party.organisation_id = ANY (core_organisations()) AND party.until IS NULL)', 'SELECT, INSERT, UPDATE');
-- The parties of a claim that a patient files are written by him: he sees the claim, which is his.
CREATE POLICY a_patient_names_the_parties ON claims_claimparty FOR INSERT TO medisettle_app WITH CHECK (
    EXISTS (SELECT 1 FROM claims_claim claim WHERE claim.id = claim_id AND claim.person_id = ANY (core_persons())));
SELECT core_protect('claims_claimline', 'EXISTS (SELECT 1 FROM claims_claim claim WHERE claim.id = claim_id)',
    'SELECT, INSERT, UPDATE, DELETE');
SELECT core_protect('claims_claimlease', 'EXISTS (SELECT 1 FROM claims_claim claim WHERE claim.id = claim_id)',
    'SELECT, INSERT, UPDATE, DELETE');
SELECT core_protect('claims_document', 'EXISTS (SELECT 1 FROM claims_claim claim WHERE claim.id = claim_id)',
    'SELECT, INSERT, UPDATE');
SELECT core_protect('claims_documentpage',
    'EXISTS (SELECT 1 FROM claims_document document WHERE document.id = document_id)', 'SELECT, INSERT');
SELECT core_protect('claims_decision', 'EXISTS (SELECT 1 FROM claims_claim claim WHERE claim.id = claim_id)',
    'SELECT, INSERT');
SELECT core_append_only('claims_decision');
SELECT core_protect('claims_materialsrequest', 'EXISTS (SELECT 1 FROM claims_claim claim WHERE claim.id = claim_id)',
    'SELECT, INSERT, UPDATE');
SELECT core_protect('claims_claimevent', 'EXISTS (SELECT 1 FROM claims_claim claim WHERE claim.id = claim_id)',
    'SELECT, INSERT');
SELECT core_append_only('claims_claimevent');
SELECT core_protect('claims_claimclock', 'EXISTS (SELECT 1 FROM claims_claim claim WHERE claim.id = claim_id)',
    'SELECT, INSERT, UPDATE');
-- Who sees a claim sees its history, its person, policy, prescription and authorisation.
CREATE POLICY history_of_claims ON core_transition FOR SELECT TO medisettle_app USING (entity = 'claims_claim'
    AND EXISTS (SELECT 1 FROM claims_claim claim WHERE claim.id::text = entity_id));
CREATE POLICY through_a_claim ON registry_person FOR SELECT TO medisettle_app USING (
    EXISTS (SELECT 1 FROM claims_claim claim WHERE claim.person_id = registry_person.id));
CREATE POLICY through_a_claim ON registry_policy FOR SELECT TO medisettle_app USING (
    EXISTS (SELECT 1 FROM claims_claim claim WHERE claim.policy_id = registry_policy.id));
CREATE POLICY through_a_claim ON registry_prescription FOR SELECT TO medisettle_app USING (
    EXISTS (SELECT 1 FROM claims_claim claim WHERE claim.prescription_id = registry_prescription.id));
CREATE POLICY through_a_claim ON registry_authorisation FOR SELECT TO medisettle_app USING (
    EXISTS (SELECT 1 FROM claims_claim claim WHERE claim.authorisation_id = registry_authorisation.id));
"""


class Migration(migrations.Migration):
    dependencies = [("claims", "0001_claims_documents_timeline"), ("registry", "0002_registry_guards")]
    operations = [migrations.RunSQL(sql, elidable=False) for sql in (STATES, FIXED, ACCESS)]
