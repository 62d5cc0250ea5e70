import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("exchange", "0004_doubt_guards"),
    ]

    operations = [
        migrations.CreateModel(
            name="DeskAct",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("organisation_id", models.BigIntegerField()),
                ("act", models.CharField(help_text="disown, refunded or service-cancelled.", max_length=20)),
                (
                    "values",
                    models.JSONField(help_text="The act's members, as the listener would take them. No personal data."),
                ),
                ("amount_minor", models.BigIntegerField(help_text="What is at stake.")),
                ("currency", models.CharField(max_length=3)),
                ("proposed_by", models.TextField()),
                ("proposed_at", models.DateTimeField()),
                ("seconded_by", models.TextField(blank=True, default="")),
                ("closed_at", models.DateTimeField(null=True)),
                ("withdrawn", models.BooleanField(default=False)),
            ],
        ),
        migrations.AddConstraint(
            model_name="ruling",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("closed_at__isnull", False), ("seconded_by", ""), ("withdrawn", False), _negated=True
                ),
                name="an_applied_ruling_has_two_names",
            ),
        ),
        migrations.AddField(
            model_name="deskact",
            name="transaction",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="desk_acts", to="exchange.transaction"
            ),
        ),
        migrations.AddIndex(
            model_name="deskact",
            index=models.Index(
                condition=models.Q(("closed_at__isnull", True)), fields=["organisation_id"], name="desk_acts_waiting"
            ),
        ),
        migrations.AddConstraint(
            model_name="deskact",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closed_at__isnull", True)),
                fields=("transaction", "act"),
                name="one_waiting_act_of_a_kind_per_transaction",
            ),
        ),
        migrations.AddConstraint(
            model_name="deskact",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("seconded_by", ""),
                    models.Q(("seconded_by", models.F("proposed_by")), _negated=True),
                    _connector="OR",
                ),
                name="nobody_seconds_his_own_act",
            ),
        ),
        migrations.AddConstraint(
            model_name="deskact",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("closed_at__isnull", False), ("seconded_by", ""), ("withdrawn", False), _negated=True
                ),
                name="an_applied_act_has_two_names",
            ),
        ),
    ]
