"""Shops and their prices are seen by all; the platform writes shops, a chain its shops' prices."""

from django.db import migrations

SQL = """
SELECT core_protect('registry_shop', 'true', 'SELECT, INSERT, UPDATE');
CREATE POLICY the_platform_adds ON registry_shop AS RESTRICTIVE FOR INSERT TO medisettle_app
    WITH CHECK (core_everything());
CREATE POLICY the_platform_changes ON registry_shop AS RESTRICTIVE FOR UPDATE TO medisettle_app
    USING (core_everything());
SELECT core_protect('registry_shopdrug', 'true', 'SELECT, INSERT, UPDATE');
CREATE POLICY its_chain_adds ON registry_shopdrug AS RESTRICTIVE FOR INSERT TO medisettle_app WITH CHECK (
    core_everything() OR EXISTS (SELECT 1 FROM registry_shop shop
        WHERE shop.id = shop_id AND shop.organisation_id = ANY (core_organisations())));
CREATE POLICY its_chain_changes ON registry_shopdrug AS RESTRICTIVE FOR UPDATE TO medisettle_app USING (
    core_everything() OR EXISTS (SELECT 1 FROM registry_shop shop
        WHERE shop.id = shop_id AND shop.organisation_id = ANY (core_organisations())));
"""


class Migration(migrations.Migration):
    dependencies = [("registry", "0006_shops")]
    operations = [migrations.RunSQL(SQL, elidable=False)]
