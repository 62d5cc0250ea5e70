"""Files of stock that came in: read whole or not at all, once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from django.db import IntegrityError, transaction

from core.clock import local_day
from core.errors import Conflict, NotFound
from core.ids import uuid7
from pharmacies.models import StockImport
from pharmacies.services.stock import stock_receive
from pharmacies.stock_rows import StockRowError, stock_rows
from registry.policy_files import rows_read
from registry.selectors.shops import drugs_of_skus, shop_by_id

ERRORS_KEPT = 200


class StockFileTaken(Conflict):
    code = "stock_file_taken"
    title = "This file was taken before"
    detail = "{file_name} has the content of {earlier}, which was taken at {at:%Y-%m-%d %H:%M} UTC."
    detail_zh = "{file_name} 与 {at:%Y-%m-%d %H:%M}（UTC）已导入的 {earlier} 内容相同。"
    fix = "Nothing is to be done; what came in since belongs into a new file."
    fix_zh = "无需处理；新到货请另建文件。"


@dataclass(frozen=True, slots=True)
class StockRead:
    """What became of a file. With errors nothing was stored; `stored` None in a dry run, too."""

    lines: int
    units: int
    errors: Sequence[StockRowError]
    stored: StockImport | None


@transaction.atomic
def stock_import(*, shop_id: UUID, file_name: str, content: bytes, dry_run: bool, by: str, now: datetime) -> StockRead:
    """Boxes that came in, from XLSX or CSV with sku, lot_no, expires_on, quantity. Each row adds to its lot.

    A file with one bad row changes nothing and names them all. Raises NotFound, FileRefused, StockFileTaken, and
    StockInvalid for a lot that the shop knows with another expiry.
    """
    shop = shop_by_id(shop_id=shop_id)
    if shop is None:
        raise NotFound(noun="shop", noun_zh="门店", key=shop_id)
    digest = hashlib.sha256(content).hexdigest()
    _taken_check(shop.organisation_id, digest, file_name)
    table = rows_read(file_name=file_name, content=content)
    rows, errors = stock_rows(table, skus=drugs_of_skus(shop_id=shop_id), today=local_day(now))
    units = sum(row.quantity for row in rows)
    if errors or dry_run:
        return StockRead(len(table) - 1, units, errors[:ERRORS_KEPT], None)
    stored = StockImport(
        id=uuid7(now),
        organisation_id=shop.organisation_id,
        file_name=file_name[:200],
        digest=digest,
        lines=len(rows),
        units=units,
        at=now,
        by=by,
    )
    try:
        with transaction.atomic():
            stored.save(force_insert=True)
    except IntegrityError as error:
        if "a_stock_file_is_read_once" not in str(error):
            raise
        _taken_check(shop.organisation_id, digest, file_name)
    # In the order of lots, so that two files at once do not wait for each other.
    for row in sorted(rows, key=lambda one: (one.drug_code, one.lot_no)):
        stock_receive(
            shop_id=shop_id,
            drug_code=row.drug_code,
            lot_no=row.lot_no,
            expires_on=row.expires_on,
            quantity=row.quantity,
            cause_id=uuid5(stored.pk, str(row.number)),
            by=by,
            now=now,
        )
    return StockRead(len(rows), units, (), stored)


def _taken_check(organisation_id: int, digest: str, file_name: str) -> None:
    earlier = StockImport.objects.filter(organisation_id=organisation_id, digest=digest).first()
    if earlier is not None:
        raise StockFileTaken(file_name=file_name[:200], earlier=earlier.file_name, at=earlier.at)
