"""Durable work: jobs, the lanes they run on, and the worker groups that drain the lanes."""

from __future__ import annotations

from django.db import models


class WorkerGroup(models.Model):
    """A set of worker processes, on one or many hosts, that drains the lanes assigned to it. One broker queue each."""

    code = models.SlugField(max_length=40)
    hosts = models.JSONField(default=list, help_text="Host names that run it; empty: the one host that is asked to.")
    concurrency = models.PositiveSmallIntegerField(default=2, help_text="Worker children on each host.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["code"], name="one_worker_group_per_code"),
            models.CheckConstraint(condition=models.Q(concurrency__gte=1), name="a_worker_group_works"),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def children(self) -> int:
        """Worker children over all hosts."""
        return self.concurrency * max(1, len(self.hosts))


class Lane(models.Model):
    """One counterparty's interface: the unit of cap, breaker and pause."""

    code = models.SlugField(max_length=40)
    group = models.ForeignKey(WorkerGroup, on_delete=models.PROTECT, related_name="lanes")
    cap_in_flight = models.PositiveIntegerField(
        default=200, help_text="Most calls under way at once, all workers together."
    )
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["code"], name="one_lane_per_code"),
            models.CheckConstraint(condition=models.Q(cap_in_flight__gte=1), name="a_lane_carries_something"),
        ]

    def __str__(self) -> str:
        return self.code


class Job(models.Model):
    """One durable piece of work, written in the same commit as the state that needs it. Gone once it is done.

    `run_at` is due time and lease in one: who claims a job moves `run_at` to the moment at which somebody else may look
    after it, and signs with `lease_token`.
    """

    id = models.UUIDField(primary_key=True)
    kind = models.TextField(help_text="Key of a handler in config/wiring.py.")
    lane = models.ForeignKey(Lane, on_delete=models.PROTECT, related_name="jobs")
    organisation_id = models.BigIntegerField()
    subject_id = models.UUIDField()
    priority = models.PositiveSmallIntegerField(help_text="Lower goes first: what ends doubt goes before what begins.")
    run_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    lease_token = models.UUIDField(null=True)
    parked_at = models.DateTimeField(null=True)
    parked_reason = models.TextField(blank=True, default="")
    trace_id = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject_id", "kind"], name="one_job_per_subject_and_kind"),
            models.CheckConstraint(
                condition=models.Q(parked_at__isnull=True) | ~models.Q(parked_reason=""), name="a_parked_job_says_why"
            ),
        ]
        indexes = [
            models.Index(
                fields=["lane", "priority", "run_at"],
                condition=models.Q(parked_at__isnull=True),
                name="jobs_due_by_lane",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_id}"
