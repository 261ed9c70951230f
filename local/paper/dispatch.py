"""Requests, whichever door they come through: limits, faults, who is asking, and the answer.

REST and the WebSocket API ask the same things, so both turn what arrives into an :class:`Arrival` and word the
:class:`Outcome` in their own way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fullon.kernel.clock import Clock, to_milliseconds
from local.errors import StoreProblem
from local.paper import rest
from local.paper.errors import VenueError
from local.paper.faults import Faults
from local.paper.parameters import Parameters
from local.paper.trading.account_routes import ACCOUNT_ROUTES
from local.paper.trading.accounts import Key
from local.paper.trading.replacing import REPLACING_ROUTES
from local.paper.trading.routes import TRADING_ROUTES, TradingRoute, TradingVenue
from local.paper.trading.signing import Proof, authenticate
from local.paper.weights import WeightLimit

PRIVATE_ROUTES: dict[tuple[str, str], TradingRoute] = TRADING_ROUTES | REPLACING_ROUTES | ACCOUNT_ROUTES
_PATHS = {path for _, path in PRIVATE_ROUTES}
_EVERYWHERE = ("timestamp", "recvWindow", "signature")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arrival:
    """A request: what it asks for, with what, from where, and what it shows of itself.

    ``known`` are parameters that belong to the door rather than to the request.
    """

    method: str
    path: str
    parameters: Mapping[str, str]
    address: str
    proof: Proof
    repeated: str | None = None
    known: tuple[str, ...] = ()


@dataclass
class Outcome:
    """An answer. ``lost`` asks the door to cut the connection instead of answering."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    lost: bool = False


class Dispatcher:
    """Answers requests.

    Args:
        market: what market data is read from.
        trading: what orders are placed with.
        limit: the weight limit.
        faults: what is to go wrong.
        wall: the wall clock.
    """

    def __init__(
        self, market: rest.Venue, trading: TradingVenue, limit: WeightLimit, faults: Faults, wall: Clock
    ) -> None:
        self._market = market
        self.trading = trading
        self._limit = limit
        self.weight_limit = limit.limit
        self._faults = faults
        self._wall = wall

    async def answer(self, arrival: Arrival) -> Outcome:
        """Do what is asked for, unless a fault is in the way."""
        fault = self._faults.requests.take(arrival.method, arrival.path, arrival.proof.key, arrival.parameters)
        effect = fault.effect if fault is not None else ""
        if fault is not None:
            if effect == "lose_request":
                return Outcome(None, lost=True)
            if effect == "fail_before":
                return _refused(fault.failure())
            if effect == "delay_before":
                await asyncio.sleep(fault.milliseconds / 1000)
        outcome = self._answer(arrival)
        if fault is not None:
            if effect == "lose_reply":
                outcome.lost = True
            if effect == "fail_after":
                return _refused(fault.failure())
            if effect == "delay_after":
                await asyncio.sleep(fault.milliseconds / 1000)
        return outcome

    def key_of(self, arrival: Arrival, route: TradingRoute, query: Parameters) -> Key:
        """The key of a private request; raises VenueError where it may not do this."""
        wall = to_milliseconds(self._wall.now()) + self._faults.clock_offset_ms
        times = (self._market.stated_time(), wall)
        return authenticate(self.trading.desk.state.keys, arrival.proof, query, route.needs, times)

    def _answer(self, arrival: Arrival) -> Outcome:
        query = Parameters(arrival.parameters, self._market.exchange)
        private = PRIVATE_ROUTES.get((arrival.method, arrival.path))
        public = rest.ROUTES.get(arrival.path)
        if private is None and public is None and arrival.path not in _PATHS:
            return Outcome({"status": 404, "error": "Not Found", "path": arrival.path}, 404)
        if private is None and (public is None or arrival.method != "GET"):
            return Outcome({"code": -1014, "msg": f"Request method '{arrival.method}' not supported"}, 405)
        headers: dict[str, str] = {}
        try:
            used = str(self._limit.spend(arrival.address, _weight(private or public, query)))
            headers = {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
            if arrival.repeated is not None:
                raise VenueError(-1101, f"Duplicate values for parameter '{arrival.repeated}' detected.")
            for name in arrival.known:
                query.text(name)
            if private is not None:
                key = self.key_of(arrival, private, query)
                for name in _EVERYWHERE:
                    query.text(name)
                if private.orders:
                    headers |= self.trading.limit.spend(key.account)
                body = private.answer(self.trading, key, query)
            else:
                assert public is not None
                body = public.answer(self._market, query)
            query.finish()
        except VenueError as error:
            return _refused(error, headers)
        except StoreProblem as error:
            logger.error("not written", extra={"path": arrival.path, "reason": str(error)})
            return _refused(VenueError(-1001, "Internal error; unable to process your request. Please try again.", 500))
        return Outcome(body, 200, headers)


def _weight(route: TradingRoute | rest.Route | None, query: Parameters) -> int:
    assert route is not None
    try:
        return route.weight(query)
    except VenueError:
        return 1


def _refused(error: VenueError, headers: Mapping[str, str] | None = None) -> Outcome:
    return Outcome(error.body(), error.status, {**(headers or {}), **error.headers})
