"""A person: found by blind indexes, read only where the data key of that person may be used."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q


class Person(models.Model):
    """A human being. Sealed values lie under the data key `person:<id>`; destroying that key erases them."""

    id = models.UUIDField(primary_key=True)
    id_type = models.CharField(max_length=4, default="01", help_text="Type of identity document, NHSA code list.")
    id_index = models.BinaryField(help_text="Blind index of type and number: exchange and registry find the same.")
    phone_index = models.BinaryField(null=True)
    sealed_name = models.BinaryField()
    sealed_id_no = models.BinaryField()
    sealed_phone = models.BinaryField(null=True)
    sealed_address = models.BinaryField(null=True, help_text="Home: nearest shop, delivery.")
    born_on = models.DateField()
    died_on = models.DateField(null=True, blank=True)
    incapable_since = models.DateField(null=True, blank=True, help_text="A guardian acts from this day on.")
    real_name_level = models.PositiveSmallIntegerField(
        default=0, help_text="0 declared, 1 own match, 2 authoritative provider."
    )
    merged_into = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="duplicates")
    erased_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["id_index"], condition=Q(merged_into__isnull=True), name="one_living_record_per_identity"
            ),
            models.CheckConstraint(condition=Q(real_name_level__lte=2), name="real_name_level_is_known"),
            models.CheckConstraint(condition=~Q(merged_into=F("id")), name="nobody_is_merged_into_himself"),
        ]
        indexes = [models.Index(fields=["phone_index"], name="persons_by_phone")]

    def __str__(self) -> str:
        return str(self.id)


class PersonMerge(models.Model):
    """Two records said to be one person: proposed by one, approved by another, undone the same way. Money stays put."""

    id = models.UUIDField(primary_key=True)
    kept = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    merged = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="merges")
    evidence = models.TextField(help_text="Why they are one. No personal data.")
    proposed_by = models.TextField()
    proposed_at = models.DateTimeField()
    approved_by = models.TextField(default="", blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    undo_proposed_by = models.TextField(default="", blank=True)
    undone_by = models.TextField(default="", blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(kept=F("merged")), name="a_merge_is_of_two"),
            models.CheckConstraint(condition=~Q(approved_by=F("proposed_by")), name="a_merge_has_two_names"),
            models.CheckConstraint(
                condition=Q(undone_by="") | Q(approved_by="") | ~Q(undone_by=F("undo_proposed_by")),
                name="a_merge_is_undone_by_two_names",
            ),
            models.UniqueConstraint(
                fields=["merged"], condition=Q(undone_at__isnull=True), name="one_open_merge_per_record"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.merged_id} into {self.kept_id}"


class Guardian(models.Model):
    """Who acts for a minor or incapable person."""

    id = models.UUIDField(primary_key=True)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="guardians")
    guardian = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="wards")
    evidence = models.TextField(help_text="Register entry or court paper it rests on. No personal data.")
    since = models.DateField()
    until = models.DateField(null=True, blank=True)
    recorded_by = models.TextField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(person=F("guardian")), name="a_guardian_is_another_person")]

    def __str__(self) -> str:
        return f"{self.guardian_id} for {self.person_id}"
