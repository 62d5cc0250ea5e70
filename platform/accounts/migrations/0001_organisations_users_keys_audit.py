# What the models say; generated.

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("organisation_id", models.BigIntegerField(help_text="Whose act it was; 0 when nobody is known yet.")),
                ("at", models.DateTimeField()),
                ("actor", models.TextField()),
                ("action", models.TextField(help_text="noun.verb, e.g. client_key.created")),
                ("subject", models.TextField(blank=True)),
                ("details", models.JSONField(default=dict, help_text="No personal data, no secrets.")),
                ("trace_id", models.TextField(blank=True)),
                (
                    "written_in",
                    models.BigIntegerField(
                        help_text="PostgreSQL transaction id, set by a trigger: what the seal goes by."
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["written_in", "id"], name="audit_by_database_tx")],
            },
        ),
        migrations.CreateModel(
            name="AuditSeal",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("sealed_at", models.DateTimeField()),
                (
                    "horizon",
                    models.BigIntegerField(
                        help_text="Entries with from_horizon <= written_in < horizon are in this seal."
                    ),
                ),
                ("from_horizon", models.BigIntegerField()),
                ("entries", models.PositiveIntegerField()),
                (
                    "leaves",
                    models.BinaryField(
                        help_text="Per entry its id and a keyed digest: they name the row that was changed."
                    ),
                ),
                ("previous", models.BinaryField()),
                ("digest", models.BinaryField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("from_horizon",), name="one_seal_follows_another"),
                    models.CheckConstraint(
                        condition=models.Q(("horizon__gt", models.F("from_horizon"))), name="a_seal_covers_something"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Organisation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.SlugField(help_text="Stable public code, e.g. HOSP-A.", max_length=40)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("hospital", "Hospital"),
                            ("insurer", "Insurer"),
                            ("pharmacy_chain", "Pharmacy Chain"),
                            ("pharmacy_shop", "Pharmacy Shop"),
                            ("tpa", "Tpa"),
                            ("platform", "Platform"),
                        ],
                        max_length=20,
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("name_zh", models.CharField(max_length=200)),
                ("time_zone", models.CharField(default="Asia/Shanghai", max_length=40)),
                ("created_at", models.DateTimeField()),
                ("suspended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "parent",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="children",
                        to="accounts.organisation",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ClientKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=80)),
                ("prefix", models.CharField(max_length=12)),
                ("digest", models.BinaryField()),
                ("scopes", models.JSONField(default=list)),
                ("terminal_no", models.CharField(blank=True, max_length=40)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="client_keys",
                        to="accounts.organisation",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("username", models.CharField(max_length=80, unique=True)),
                ("display_name", models.CharField(max_length=120)),
                ("roles", models.JSONField(default=list, help_text="Codes of Role.")),
                ("language", models.CharField(blank=True, default="", max_length=10)),
                ("is_active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField()),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="users", to="accounts.organisation"
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="SignInTries",
            fields=[
                (
                    "subject",
                    models.CharField(
                        help_text="A digest: people type passwords as names.",
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("tries", models.PositiveIntegerField()),
                ("window_ends_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["window_ends_at"], name="sign_in_tries_by_end")],
            },
        ),
        migrations.AddConstraint(
            model_name="organisation",
            constraint=models.UniqueConstraint(fields=("code",), name="one_organisation_per_code"),
        ),
        migrations.AddConstraint(
            model_name="organisation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "pharmacy_shop"), _negated=True), ("parent__isnull", False), _connector="OR"
                ),
                name="a_shop_has_a_chain",
            ),
        ),
        migrations.AddConstraint(
            model_name="organisation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind__in", ["hospital", "insurer", "pharmacy_chain", "pharmacy_shop", "tpa", "platform"])
                ),
                name="organisation_kind_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="clientkey",
            constraint=models.UniqueConstraint(fields=("prefix",), name="one_client_key_per_prefix"),
        ),
    ]
