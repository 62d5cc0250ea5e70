"""A patient's own session files, answers and appeals; it never decides, nor raises what others have said."""

from django.db import migrations

SQL = """
CREATE FUNCTION claims_not_by_its_patient() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Only a patient's session has persons to see; a worker sees all rows by its role.
    IF core_persons() = '{}' OR core_everything() OR pg_has_role(current_user, 'medisettle_worker', 'MEMBER') THEN
        RETURN NEW;
    END IF;
    IF NEW.state <> OLD.state AND NEW.state IN ('PREREVIEW_PASSED', 'PREREVIEW_DECLINED', 'INVESTIGATION', 'CONFIRMED',
            'PARTLY_CONFIRMED', 'DECLINED', 'REOPENED', 'CLOSED') THEN
        RAISE EXCEPTION 'claims_claim: % is not a patient''s move', NEW.state USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.confirmed_minor IS NOT NULL AND NEW.confirmed_minor IS DISTINCT FROM OLD.confirmed_minor)
        OR (NEW.recommended_minor IS NOT NULL AND NEW.recommended_minor > coalesce(OLD.recommended_minor, -1))
        OR (NEW.handed_over_at, NEW.re_review, NEW.risk, NEW.authorisation_id, NEW.paper)
            IS DISTINCT FROM (OLD.handed_over_at, OLD.re_review, OLD.risk, OLD.authorisation_id, OLD.paper)
            AND OLD.state <> 'DRAFT' THEN
        RAISE EXCEPTION 'claims_claim: others decide that, not its patient' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER not_by_its_patient BEFORE UPDATE ON claims_claim FOR EACH ROW
    EXECUTE FUNCTION claims_not_by_its_patient();
-- The counts move by moves alone: whoever draws on a benefit may lock it and follow its limit.
REVOKE UPDATE ON registry_benefitaccount FROM medisettle_app;
GRANT UPDATE (limit_minor) ON registry_benefitaccount TO medisettle_app;
"""


class Migration(migrations.Migration):
    dependencies = [("claims", "0005_goods_and_rounds"), ("registry", "0008_basic_insurance_of_shops")]
    operations = [migrations.RunSQL(SQL, elidable=False)]
