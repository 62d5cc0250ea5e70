"""Merges are undone by two names; counts change by their moves only; the shares of a product are the whole."""

from django.db import migrations, models

COUNTS = """
CREATE FUNCTION registry_counts_by_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'registry_benefitaccount: counts change by their moves only'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER counts_change_by_moves BEFORE UPDATE ON registry_benefitaccount FOR EACH ROW
    WHEN ((OLD.held_minor, OLD.used_minor) IS DISTINCT FROM (NEW.held_minor, NEW.used_minor))
    EXECUTE FUNCTION registry_counts_by_moves();
CREATE TRIGGER counts_begin_at_nothing BEFORE INSERT ON registry_benefitaccount FOR EACH ROW
    WHEN (NEW.held_minor <> 0 OR NEW.used_minor <> 0) EXECUTE FUNCTION registry_counts_by_moves();
"""

SHARES = """
CREATE FUNCTION registry_shares_are_the_whole() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE whole bigint; leads bigint;
BEGIN
    SELECT sum(basis_points), count(*) FILTER (WHERE share.leads) INTO whole, leads
        FROM registry_productshare share WHERE share.product_id = NEW.product_id;
    IF whole <> 10000 OR leads <> 1 THEN
        RAISE EXCEPTION 'registry_productshare: the shares of % are % basis points with % lead(s)', NEW.product_id,
            whole, leads USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER shares_are_the_whole AFTER INSERT OR UPDATE ON registry_productshare
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION registry_shares_are_the_whole();
"""


class Migration(migrations.Migration):
    dependencies = [("registry", "0002_registry_guards")]
    operations = [
        migrations.AddField("personmerge", "undo_proposed_by", models.TextField(blank=True, default="")),
        migrations.AddConstraint(
            "personmerge",
            models.CheckConstraint(
                condition=models.Q(
                    ("undone_by", ""),
                    ("approved_by", ""),
                    models.Q(("undone_by", models.F("undo_proposed_by")), _negated=True),
                    _connector="OR",
                ),
                name="a_merge_is_undone_by_two_names",
            ),
        ),
        migrations.RunSQL(COUNTS, elidable=False),
        migrations.RunSQL(SHARES, elidable=False),
    ]
