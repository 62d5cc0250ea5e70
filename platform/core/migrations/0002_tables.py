# What the models say; generated.

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("core", "0001_roles_and_guards"),
    ]

    operations = [
        migrations.CreateModel(
            name="DataKey",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("organisation_id", models.BigIntegerField()),
                ("scope", models.TextField(help_text="What the key encrypts, e.g. `exchange:3:2026-11`.")),
                ("master_key_id", models.TextField()),
                ("wrapped", models.BinaryField()),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("scope",), name="one_data_key_per_scope")],
            },
        ),
        migrations.CreateModel(
            name="Transition",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("entity", models.TextField(help_text="Table name of the row that moved.")),
                ("entity_id", models.TextField()),
                ("organisation_id", models.BigIntegerField()),
                ("from_state", models.TextField()),
                ("to_state", models.TextField()),
                ("version", models.PositiveIntegerField()),
                ("at", models.DateTimeField()),
                ("by", models.TextField(help_text="Who or what moved it: a client key, a user, a service.")),
                ("reason", models.TextField()),
                ("trace_id", models.TextField()),
            ],
            options={
                "indexes": [models.Index(fields=["entity_id", "version"], name="transition_by_entity")],
            },
        ),
    ]
