"""Doubt, cash and the back office's desk."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_accounts_row_security"),
        ("exchange", "0002_exchange_guards"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BackOffice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "four_eyes_minor",
                    models.BigIntegerField(
                        default=100000, help_text="From this amount on a second person confirms an act of the portal."
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="DayCase",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("business_date", models.DateField()),
                ("kind", models.CharField(max_length=24)),
                ("his_no", models.TextField()),
                ("details", models.JSONField(default=dict)),
                ("opened_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="DayList",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("business_date", models.DateField(help_text="In the hospital's time zone.")),
                ("version", models.PositiveIntegerField()),
                ("digest", models.BinaryField()),
                (
                    "rows",
                    models.JSONField(help_text="[{his_no, visit_no, bill_no, shares, tender, operator, shift, ...}]"),
                ),
                ("signed_by", models.TextField(blank=True, default="")),
                (
                    "second_by",
                    models.TextField(blank=True, default="", help_text="The second name that replaces a signed list."),
                ),
                ("signed_at", models.DateTimeField(null=True)),
                ("received_at", models.DateTimeField()),
                ("by", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name="Refund",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("organisation_id", models.BigIntegerField()),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("refund_no", models.TextField()),
                ("tender", models.TextField(blank=True, default="")),
                ("original_tender_ref", models.TextField(blank=True, default="")),
                ("red_receipt_no", models.TextField(blank=True, default="")),
                ("told_at", models.DateTimeField()),
                ("by", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name="Resettlement",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("organisation_id", models.BigIntegerField()),
                ("created_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Reversal",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("organisation_id", models.BigIntegerField()),
                ("episode", models.PositiveSmallIntegerField(help_text="The transaction's when it was begun.")),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("abandoned", "Abandoned"),
                            ("not_proven", "Not Proven"),
                            ("disowned", "Disowned"),
                            ("surfaced", "Surfaced"),
                            ("late_answer", "Late Answer"),
                            ("ruling", "Ruling"),
                        ],
                        max_length=12,
                    ),
                ),
                ("by", models.TextField()),
                ("opened_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(null=True)),
                (
                    "end",
                    models.CharField(
                        blank=True,
                        choices=[("ACCEPTED", "Accepted"), ("NOTHING_HELD", "Nothing Held"), ("GIVEN_UP", "Given Up")],
                        default="",
                        max_length=12,
                    ),
                ),
                (
                    "undone_settlement_no",
                    models.TextField(
                        blank=True, default="", help_text="The settlement that the accepting answer named."
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Ruling",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("organisation_id", models.BigIntegerField()),
                (
                    "decision",
                    models.CharField(
                        choices=[
                            ("SUCCEEDED", "Succeeded"),
                            ("REVERSED", "Reversed"),
                            ("REJECTED", "Rejected"),
                            ("REVERSING", "Reversing"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "amounts",
                    models.JSONField(
                        help_text="With SUCCEEDED: fund, account, hospital and cash in minor units, settlement_no.",
                        null=True,
                    ),
                ),
                ("reason", models.TextField()),
                ("proposed_by", models.TextField()),
                ("proposed_at", models.DateTimeField()),
                ("seconded_by", models.TextField(blank=True, default="")),
                ("closed_at", models.DateTimeField(null=True)),
                ("withdrawn", models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name="SelfPayment",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("organisation_id", models.BigIntegerField()),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("collected_at", models.DateTimeField()),
                ("tender", models.TextField(blank=True, default="")),
                ("receipt_no", models.TextField(blank=True, default="")),
                ("told_at", models.DateTimeField()),
                ("by", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name="ShiftClose",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("shift_no", models.TextField()),
                ("digest", models.BinaryField()),
                ("totals", models.JSONField(help_text="What the till told.")),
                ("result", models.JSONField(help_text="settled, refused, unknown by name, refund due, difference.")),
                ("closed_at", models.DateTimeField()),
                ("by", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name="Slip",
            fields=[
                (
                    "token",
                    models.CharField(
                        help_text="256 random bits, URL-safe.", max_length=43, primary_key=True, serialize=False
                    ),
                ),
                ("organisation_id", models.BigIntegerField()),
                ("created_at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="bill",
            name="cash_book",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.organisation",
            ),
        ),
        migrations.AddField(
            model_name="bill",
            name="cash_short_minor",
            field=models.BigIntegerField(default=0, help_text="A refund that became too much."),
        ),
        migrations.AddField(
            model_name="bill",
            name="collected_minor",
            field=models.BigIntegerField(default=0, help_text="Sum of its self-payments."),
        ),
        migrations.AddField(
            model_name="bill",
            name="recognised_fees_minor",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="bill",
            name="recognised_own_minor",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="bill",
            name="recognition_id",
            field=models.UUIDField(help_text="The ledger posting that says so.", null=True),
        ),
        migrations.AddField(
            model_name="bill",
            name="recognition_no",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="bill",
            name="refund_due_minor",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="bill",
            name="refund_due_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="bill",
            name="refunded_minor",
            field=models.BigIntegerField(default=0, help_text="Sum of its refunds."),
        ),
        migrations.AddField(
            model_name="bill",
            name="unsquare_since",
            field=models.DateTimeField(help_text="At rest and yet not square, nor explained by a refund.", null=True),
        ),
        migrations.AddField(
            model_name="transaction",
            name="abandoned_at",
            field=models.DateTimeField(help_text="The cashier took cash before anything was proven.", null=True),
        ),
        migrations.AddField(
            model_name="transaction",
            name="disowned_at",
            field=models.DateTimeField(help_text="The hospital never booked this success.", null=True),
        ),
        migrations.AddField(
            model_name="transaction",
            name="episode",
            field=models.PositiveSmallIntegerField(default=0, help_text="How often it was proven to be settled there."),
        ),
        migrations.AddField(
            model_name="transaction",
            name="expect_cash_minor",
            field=models.BigIntegerField(help_text="The own share that the patient was told before.", null=True),
        ),
        migrations.AddField(
            model_name="transaction",
            name="of",
            field=models.ForeignKey(
                db_index=False,
                help_text="The settled transaction that a cancel undoes.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="exchange.transaction",
            ),
        ),
        migrations.AddField(
            model_name="transaction",
            name="operator_no",
            field=models.TextField(blank=True, default=""),
        ),
        migrations.AddField(
            model_name="transaction",
            name="owner",
            field=models.TextField(blank=True, default="", help_text="Who is on call for it while it needs a person."),
        ),
        migrations.AddField(
            model_name="transaction",
            name="presettle_of",
            field=models.ForeignKey(
                db_index=False,
                help_text="The trial that promised the patient's own share.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="exchange.transaction",
            ),
        ),
        migrations.AddField(
            model_name="transaction",
            name="replaces",
            field=models.ForeignKey(
                db_index=False,
                help_text="The ended wish whose bill and cash this one takes over.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="exchange.transaction",
            ),
        ),
        migrations.AddField(
            model_name="transaction",
            name="retry_of",
            field=models.ForeignKey(
                db_index=False,
                help_text="The wish without cash that this one tries again.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="exchange.transaction",
            ),
        ),
        migrations.AddField(
            model_name="transaction",
            name="service_cancelled_at",
            field=models.DateTimeField(help_text="The service is not given: all cash is due back.", null=True),
        ),
        migrations.AddField(
            model_name="transaction",
            name="shift_no",
            field=models.TextField(blank=True, default=""),
        ),
        migrations.AddField(
            model_name="transaction",
            name="told",
            field=models.CharField(
                choices=[
                    ("succeeded", "Succeeded"),
                    ("rejected", "Rejected"),
                    ("not_sent", "Not Sent"),
                    ("pending", "Pending"),
                    ("abandoned", "Abandoned"),
                    ("reversed", "Reversed"),
                    ("cancelled", "Cancelled"),
                    ("stands", "Stands"),
                ],
                default="",
                help_text="The last verdict but `pending`.",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="evidence",
            name="kind",
            field=models.CharField(
                choices=[
                    ("CALL_OUTCOME", "Call Outcome"),
                    ("DEADLINE_PASSED", "Deadline Passed"),
                    ("OUR_RULE", "Our Rule"),
                    ("HOSPITAL_SAID", "Hospital Said"),
                    ("CANCEL_PROVEN", "Cancel Proven"),
                    ("RULING", "Ruling"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="idempotencykey",
            name="transaction",
            field=models.ForeignKey(
                db_index=False,
                help_text="None where the request named no transaction: a shift, a day.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="exchange.transaction",
            ),
        ),
        migrations.AlterField(
            model_name="transaction",
            name="interface",
            field=models.ForeignKey(
                db_index=False,
                help_text="None while the insurers are asked who covers the person, and on a tombstone.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="exchange.insurerinterface",
            ),
        ),
        migrations.AddIndex(
            model_name="bill",
            index=models.Index(
                condition=models.Q(
                    ("refund_due_minor__gt", 0),
                    ("cash_short_minor__gt", 0),
                    ("unsquare_since__isnull", False),
                    _connector="OR",
                ),
                fields=["organisation", "created_at"],
                name="bills_that_are_not_right",
            ),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(
                condition=models.Q(("state__in", ("RECEIVED", "SENDING", "IN_DOUBT", "REVERSING", "NEEDS_HUMAN"))),
                fields=["organisation", "received_at"],
                name="transactions_not_ended",
            ),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(
                condition=models.Q(
                    ("acknowledged_at__isnull", True), ("operation_class", "MOVES"), ("state", "SUCCEEDED")
                ),
                fields=["organisation", "received_at"],
                name="transactions_unacknowledged",
            ),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(
                condition=models.Q(("of__isnull", False)), fields=["of"], name="cancels_of_a_transaction"
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("interface__isnull", False),
                    ("state__in", ("RECEIVED", "NOT_SENT", "REJECTED")),
                    _connector="OR",
                ),
                name="what_is_sent_has_its_insurer",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("operation_class", "UNDOES"),
                    ("state__in", ("RECEIVED", "SENDING", "IN_DOUBT", "REVERSING", "NEEDS_HUMAN")),
                ),
                fields=("of",),
                name="one_open_cancel_per_transaction",
            ),
        ),
        migrations.AddField(
            model_name="backoffice",
            name="on_call",
            field=models.ForeignKey(
                blank=True,
                help_text="Who owns what needs a person from now on.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="backoffice",
            name="organisation",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.organisation"
            ),
        ),
        migrations.AddField(
            model_name="daycase",
            name="organisation",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.organisation",
            ),
        ),
        migrations.AddField(
            model_name="daycase",
            name="transaction",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="exchange.transaction"
            ),
        ),
        migrations.AddField(
            model_name="daylist",
            name="organisation",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.organisation",
            ),
        ),
        migrations.AddField(
            model_name="refund",
            name="transaction",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="refunds", to="exchange.transaction"
            ),
        ),
        migrations.AddField(
            model_name="resettlement",
            name="cancel",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="exchange.transaction"
            ),
        ),
        migrations.AddField(
            model_name="resettlement",
            name="rest",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="exchange.transaction"
            ),
        ),
        migrations.AddField(
            model_name="reversal",
            name="transaction",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="reversals", to="exchange.transaction"
            ),
        ),
        migrations.AddField(
            model_name="ruling",
            name="transaction",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="rulings", to="exchange.transaction"
            ),
        ),
        migrations.AddField(
            model_name="selfpayment",
            name="transaction",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="self_payments", to="exchange.transaction"
            ),
        ),
        migrations.AddField(
            model_name="shiftclose",
            name="organisation",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.organisation",
            ),
        ),
        migrations.AddField(
            model_name="slip",
            name="transaction",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="exchange.transaction"
            ),
        ),
        migrations.AddConstraint(
            model_name="daycase",
            constraint=models.UniqueConstraint(
                fields=("organisation", "business_date", "kind", "his_no"), name="one_case_per_difference"
            ),
        ),
        migrations.AddConstraint(
            model_name="daylist",
            constraint=models.UniqueConstraint(
                fields=("organisation", "business_date", "version"), name="one_day_list_per_version"
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(condition=models.Q(("amount_minor__gt", 0)), name="a_refund_is_positive"),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.UniqueConstraint(fields=("transaction", "refund_no"), name="one_refund_per_number"),
        ),
        migrations.AddConstraint(
            model_name="reversal",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closed_at__isnull", True)),
                fields=("transaction",),
                name="one_open_reversal_per_transaction",
            ),
        ),
        migrations.AddConstraint(
            model_name="reversal",
            constraint=models.UniqueConstraint(
                condition=models.Q(("end", "ACCEPTED")),
                fields=("transaction", "episode"),
                name="one_accepted_reversal_per_settlement",
            ),
        ),
        migrations.AddConstraint(
            model_name="reversal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", True), ("end", "")),
                    models.Q(("closed_at__isnull", False), models.Q(("end", ""), _negated=True)),
                    _connector="OR",
                ),
                name="a_closed_reversal_says_how",
            ),
        ),
        migrations.AddConstraint(
            model_name="ruling",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closed_at__isnull", True)),
                fields=("transaction",),
                name="one_open_ruling_per_transaction",
            ),
        ),
        migrations.AddConstraint(
            model_name="ruling",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("seconded_by", ""),
                    models.Q(("seconded_by", models.F("proposed_by")), _negated=True),
                    _connector="OR",
                ),
                name="nobody_seconds_himself",
            ),
        ),
        migrations.AddConstraint(
            model_name="selfpayment",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gt", 0)), name="a_self_payment_is_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="selfpayment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("receipt_no", ""), _negated=True),
                fields=("transaction", "receipt_no"),
                name="one_self_payment_per_receipt",
            ),
        ),
        migrations.AddConstraint(
            model_name="selfpayment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("receipt_no", "")),
                fields=("transaction", "amount_minor"),
                name="one_self_payment_per_amount_without_receipt",
            ),
        ),
        migrations.AddConstraint(
            model_name="shiftclose",
            constraint=models.UniqueConstraint(fields=("organisation", "shift_no"), name="one_close_per_shift"),
        ),
    ]
