"""What must never be false of the pre-review: a pack's machine, fixed packs, append-only findings, who sees what."""

from django.db import migrations

STATES = """
SELECT core_state_machine('prereview_rulepack', 'DRAFT>PUBLISHED,DRAFT>WITHDRAWN,PUBLISHED>RETIRED', 'DRAFT');
"""

FIXED = """
CREATE FUNCTION prereview_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER a_published_pack_is_fixed BEFORE UPDATE ON prereview_rulepack FOR EACH ROW WHEN (OLD.state <> 'DRAFT' AND
    (OLD.product_id, OLD.number, OLD.body, OLD.cases) IS DISTINCT FROM
    (NEW.product_id, NEW.number, NEW.body, NEW.cases)
) EXECUTE FUNCTION prereview_refuse_change('a published pack does not change, a new version takes its place');
CREATE TRIGGER nothing_is_forgotten BEFORE DELETE ON prereview_rulepack FOR EACH ROW
    EXECUTE FUNCTION prereview_refuse_change('packs are never deleted');
CREATE TRIGGER an_ended_ask_is_fixed BEFORE UPDATE ON prereview_askwaiting FOR EACH ROW WHEN (OLD.outcome <> '')
    EXECUTE FUNCTION prereview_refuse_change('what became of it is told once');
"""

ACCESS = """
-- An insurer reads the packs that bind it, and what the rules found on claims that it carries. Patients and pharmacies
-- see neither. Everything else is the platform's own.
SELECT core_protect('prereview_rulepack', 'organisation_id = ANY (core_organisations())', 'SELECT, INSERT, UPDATE');
CREATE POLICY the_platform_drafts ON prereview_rulepack AS RESTRICTIVE FOR INSERT TO medisettle_app
    WITH CHECK (core_everything());
CREATE POLICY the_platform_changes ON prereview_rulepack AS RESTRICTIVE FOR UPDATE TO medisettle_app
    USING (core_everything());
SELECT core_protect('prereview_rulerun', 'EXISTS (SELECT 1 FROM claims_claimparty party
    WHERE party.claim_id = prereview_rulerun.claim_id AND party.until IS NULL
        AND party.role IN (''LEAD_INSURER'', ''CO_INSURER'', ''ADMINISTRATOR'')
        AND party.organisation_id = ANY (core_organisations()))', 'SELECT, INSERT');
CREATE POLICY the_platform_runs ON prereview_rulerun AS RESTRICTIVE FOR INSERT TO medisettle_app
    WITH CHECK (core_everything());
SELECT core_append_only('prereview_rulerun');
SELECT core_protect('prereview_ruleresult',
    'EXISTS (SELECT 1 FROM prereview_rulerun run WHERE run.id = run_id)', 'SELECT, INSERT');
CREATE POLICY the_platform_runs ON prereview_ruleresult AS RESTRICTIVE FOR INSERT TO medisettle_app
    WITH CHECK (core_everything());
SELECT core_append_only('prereview_ruleresult');
SELECT core_protect('prereview_askwaiting', 'false', 'SELECT, INSERT, UPDATE');
SELECT core_protect('prereview_secondlook', 'false', 'SELECT, INSERT');
SELECT core_append_only('prereview_secondlook');
"""


class Migration(migrations.Migration):
    dependencies = [("prereview", "0001_rules_and_second_names"), ("claims", "0002_claims_guards")]
    operations = [migrations.RunSQL(sql, elidable=False) for sql in (STATES, FIXED, ACCESS)]
