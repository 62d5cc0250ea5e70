"""A shift's wishes and cash are found at once; a day's list says how far it reaches."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_accounts_row_security"),
        ("exchange", "0007_desk_reads_and_tills"),
    ]

    operations = [
        migrations.AddField(
            model_name="daylist",
            name="as_of",
            field=models.DateTimeField(help_text="What was settled later is not held against this list.", null=True),
        ),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(
                condition=models.Q(("shift_no", ""), _negated=True),
                fields=["organisation_id", "shift_no"],
                name="refunds_of_a_shift",
            ),
        ),
        migrations.AddIndex(
            model_name="selfpayment",
            index=models.Index(
                condition=models.Q(("shift_no", ""), _negated=True),
                fields=["organisation_id", "shift_no"],
                name="cash_of_a_shift",
            ),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(
                condition=models.Q(("shift_no", ""), _negated=True),
                fields=["organisation", "shift_no"],
                name="transactions_of_a_shift",
            ),
        ),
    ]
