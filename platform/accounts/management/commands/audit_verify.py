from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.services import audit_prove
from core.clock import database_now


class Command(BaseCommand):
    help = "Recompute the chain of seals over the audit trail. Names what was changed and ends with 1 if anything was."

    def handle(self, *args: Any, **options: Any) -> None:
        proof = audit_prove(now=database_now())
        self.stdout.write(f"{proof.seals} seals over {proof.entries} entries; {proof.waiting} entries wait for a seal")
        self.stdout.write(f"newest digest {proof.newest_digest or 'none'}")
        if proof.faults:
            raise CommandError("The audit trail was tampered with:\n" + "\n".join(proof.faults))
        self.stdout.write("the chain is whole")
