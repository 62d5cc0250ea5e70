"""Whose till cash went through, and the bills with cash found at once: for shifts and the outage list."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_accounts_row_security"),
        ("exchange", "0006_two_names_guard"),
    ]

    operations = [
        migrations.AddField(
            model_name="refund",
            name="operator_no",
            field=models.TextField(blank=True, default=""),
        ),
        migrations.AddField(
            model_name="refund",
            name="shift_no",
            field=models.TextField(
                blank=True, default="", help_text="Out of whose till it went; else the wish's shift."
            ),
        ),
        migrations.AddField(
            model_name="selfpayment",
            name="operator_no",
            field=models.TextField(blank=True, default=""),
        ),
        migrations.AddField(
            model_name="selfpayment",
            name="shift_no",
            field=models.TextField(blank=True, default="", help_text="Whose till took it; else the wish's shift."),
        ),
        migrations.AddIndex(
            model_name="bill",
            index=models.Index(
                condition=models.Q(("collected_minor__gt", models.F("refunded_minor"))),
                fields=["organisation", "created_at"],
                name="bills_with_cash",
            ),
        ),
    ]
