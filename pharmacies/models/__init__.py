"""Tables of the pharmacies, one file per noun."""

from pharmacies.models.entry import Entry, EntryCondition
from pharmacies.models.handovers import BasicSettlement, GoodsReturn, HandedBox, HandOver, Pharmacist, TraceCode
from pharmacies.models.orders import Offer, Order, OrderLine, PickUpCode, Reservation
from pharmacies.models.stock import StockImport, StockLot, StockMove
from pharmacies.models.wishes import CodeTry, ShopWish

__all__ = [
    "BasicSettlement",
    "CodeTry",
    "Entry",
    "EntryCondition",
    "GoodsReturn",
    "HandOver",
    "HandedBox",
    "Offer",
    "Order",
    "OrderLine",
    "Pharmacist",
    "PickUpCode",
    "Reservation",
    "ShopWish",
    "StockImport",
    "StockLot",
    "StockMove",
    "TraceCode",
]
