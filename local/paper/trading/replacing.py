"""``order/cancelReplace``: an order canceled and another placed in its stead, with Binance's words for each outcome."""

from __future__ import annotations

from typing import Any

from local.paper.errors import VenueError
from local.paper.parameters import Parameters
from local.paper.trading.accounts import Key
from local.paper.trading.orders import OrderType
from local.paper.trading.routes import RESTRICTIONS, TradingRoute, TradingVenue, cancel_found, find, shown_new
from local.paper.trading.signing import Needs
from local.paper.trading.tickets import client_id, read_ticket


class ReplaceFailed(VenueError):
    """One half failed, or both; says what became of each."""

    def __init__(self, cancel: str, new: str, canceled: object, placed: object) -> None:
        partially = cancel == "SUCCESS" or new == "SUCCESS"
        sentence = f"Order cancel-replace {'partially ' if partially else ''}failed."
        super().__init__(-2021 if partially else -2022, sentence, 409 if partially else 400)
        self._data = {
            "cancelResult": cancel,
            "newOrderResult": new,
            "cancelResponse": canceled,
            "newOrderResponse": placed,
        }

    def body(self) -> dict[str, object]:
        return {**super().body(), "data": self._data}


def replace(venue: TradingVenue, key: Key, query: Parameters) -> dict[str, Any]:
    ticket = read_ticket(query)
    default = "FULL" if ticket.type in {OrderType.MARKET, OrderType.LIMIT} else "ACK"
    wanted = query.text("newOrderRespType", "ACK", "RESULT", "FULL") or default
    mode = query.text("cancelReplaceMode", "STOP_ON_FAILURE", "ALLOW_FAILURE")
    if not mode:
        raise VenueError(-1102, "Mandatory parameter 'cancelReplaceMode' was not sent, was empty/null, or malformed.")
    restriction = query.text("cancelRestrictions", *RESTRICTIONS)
    request_id = client_id(query, "cancelNewClientOrderId")
    for name in ("cancelOrderId", "cancelOrigClientOrderId"):
        query.text(name)
    query.finish()
    venue.desk.now()
    cancel, canceled = "SUCCESS", dict[str, Any]()
    try:
        unknown = VenueError(-2011, "Unknown order sent.")
        order = find(venue, key, query, unknown, "cancel")
        if not order.is_open:
            raise unknown
        name = request_id or venue.desk.new_client_id(order.id, "cancel")
        canceled = cancel_found(venue, order, name, RESTRICTIONS.get(restriction or ""))
    except VenueError as error:
        cancel, canceled = "FAILURE", error.body()
        if mode == "STOP_ON_FAILURE":
            raise ReplaceFailed(cancel, "NOT_ATTEMPTED", canceled, None) from error
    try:
        placed = shown_new(venue, venue.desk.place(key.account, ticket), wanted)
    except VenueError as error:
        raise ReplaceFailed(cancel, "FAILURE", canceled, error.body()) from error
    if cancel == "FAILURE":
        raise ReplaceFailed(cancel, "SUCCESS", canceled, placed)
    return {
        "cancelResult": cancel,
        "newOrderResult": "SUCCESS",
        "cancelResponse": canceled,
        "newOrderResponse": placed,
    }


REPLACING_ROUTES = {("POST", "/api/v3/order/cancelReplace"): TradingRoute(replace, lambda _: 1, Needs.TRADE, orders=1)}
