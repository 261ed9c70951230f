"""The desk: orders are accepted, canceled and filled here, one whole step at a time.

Time is the venue's. Before anything is asked or changed, :meth:`Desk.advance` lets every print up to now fill and
trigger what it reaches, at the print's own time: so it does not matter when the venue looks, and one that was away
goes on as if it had not been. Everything here is synchronous: no request sees another half done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from hashlib import shake_128
from heapq import merge
from itertools import groupby

from local.paper.errors import VenueError
from local.paper.exchange import Exchange, Instrument
from local.paper.prints import Trade
from local.paper.trading.faults import TradingFaults
from local.paper.trading.filters import Filters
from local.paper.trading.matching import Liquidity, shares, walk
from local.paper.trading.orders import LIMITED, STOPS, Fill, Order, OrderType, Side, Status, Ticket, TimeInForce
from local.paper.trading.records import Records
from local.paper.trading.settlement import Movement, commission, hold, money, release, settle
from local.paper.trading.state import Event, State, Step


@dataclass(frozen=True)
class Placed:
    """An order as placing left it, and what it got at once."""

    order: Order
    fills: tuple[Fill, ...]


def insufficient() -> VenueError:
    return VenueError(-2010, "Account has insufficient balance for requested action.")


class Desk:
    """Where orders are kept.

    Args:
        exchange: the market.
        records: the file.
        faults: how the venue misbehaves, for tests.
        seed: decides shares of prints and the client order ids of orders that came without one.
        publish: told of every event, in order, once it is in force.
    """

    def __init__(
        self, exchange: Exchange, records: Records, faults: TradingFaults, seed: int, publish: Callable[[Event], None]
    ) -> None:
        self._exchange = exchange
        self.records = records
        self.state: State = records.load()
        self.filters = {name: Filters(each) for name, each in exchange.instruments.items()}
        self._faults = faults
        self._seed = seed
        self._publish = publish
        self._liquidity = Liquidity()

    def now(self) -> int:
        """The venue's time, with everything done that was due until then."""
        now = self._exchange.clock.now()
        self.advance(now)
        return now

    def commit(self, step: Step) -> None:
        """Write a step and put it into force; nothing of it counts where this raises."""
        self.records.save(step)
        step.enforce()
        for event in step.events:
            self._publish(event)

    def check(self, account: int, ticket: Ticket) -> None:
        """Refuse what would not be accepted, without placing it."""
        self._placed(account, ticket)

    def place(self, account: int, ticket: Ticket) -> Placed:
        """Accept an order.

        Raises:
            VenueError: a filter, the balance, the client order id or the market is against it.
        """
        step, order, parts = self._placed(account, ticket)
        self.commit(step)
        self._liquidity.take(account, order.symbol, parts, step.time)
        self._faults.accepted(order.id)
        return Placed(step.orders[order.id], tuple(step.fills))

    def cancel(self, account: int, order_id: int, request_id: str) -> Order:
        """End an open order; ``request_id`` is the client id of the cancellation.

        Raises:
            VenueError: it is not open, perhaps because it has filled just now.
        """
        step = Step(self.state, self.now())
        order = self.state.open.find(account, order_id)
        if order is None:
            raise VenueError(-2011, "Unknown order sent.")
        canceled = self._end(step, order, Status.CANCELED, request_id)
        self.commit(step)
        return canceled

    def new_client_id(self, number: int, purpose: str) -> str:
        """The client order id of what came without one."""
        return shake_128(f"{self._seed}:{purpose}:{number}".encode()).hexdigest(11)

    def advance(self, now: int) -> None:
        """Let every print up to ``now`` do to open orders what it does."""
        tapes = [self._prints(name, now) for name in self.state.open.symbols()]
        for trade, instrument in merge(*tapes, key=lambda each: each[0].time):
            reach = self.state.open.reach(instrument.symbol.id)
            if trade.price <= reach.below or trade.price >= reach.above:
                self._print(instrument, trade)
            self.state.cursors[instrument.symbol.id] = trade.id

    def _prints(self, name: str, now: int) -> Iterator[tuple[Trade, Instrument]]:
        instrument = self._exchange.instruments[name]
        begin = max(self.state.cursors.get(name, 0), self.state.open.reach(name).after)
        if begin < instrument.last(now).id:
            for trade in instrument.tape.since(begin + 1, now):
                yield trade, instrument

    def _print(self, instrument: Instrument, trade: Trade) -> None:
        step = Step(self.state, trade.time)
        reached = [order for order in self.state.open.of_symbol(instrument.symbol.id) if order.after < trade.id]
        resting = sorted((order for order in reached if order.working), key=lambda order: order.account)
        for _, orders in groupby(resting, key=lambda order: order.account):
            for order, quantity in shares(orders, trade, self._seed):
                self._fill(step, instrument, order, order.price, quantity, maker=True)
        for order in reached:
            if not order.working and order.triggered_by(trade.price):
                self._trigger(step, instrument, order, trade)
        if step.orders:
            step.cursors[instrument.symbol.id] = trade.id
            self.commit(step)

    def _placed(self, account: int, ticket: Ticket) -> tuple[Step, Order, list[tuple[int, int]]]:
        now = self.now()
        instrument = self._exchange.instruments[ticket.symbol]
        self._refuse_duplicate(account, ticket)
        self.filters[ticket.symbol].check(ticket, self.state.open.of_account(account, ticket.symbol), now)
        step, last = Step(self.state, now), instrument.last(now)
        order = self._order(step, account, ticket, last.id)
        if order.type in STOPS:
            if order.triggered_by(last.price):
                raise VenueError(-2010, "Stop price would trigger immediately.")
            self._hold(step, instrument, order)
            step.report(order, "NEW")
            return step, order, []
        levels = self._liquidity.levels(order, instrument, now)
        if order.type is OrderType.MARKET:
            order, parts = self._market(step, instrument, order, levels)
        else:
            parts = self._parts(order, levels)
            if levels and order.type is OrderType.LIMIT_MAKER:
                raise VenueError(-2010, "Order would immediately match and take.")
            self._hold(step, instrument, order)
        step.report(order, "NEW")
        self._take(step, instrument, order, parts)
        return step, order, parts

    def _order(self, step: Step, account: int, ticket: Ticket, last: int) -> Order:
        number, waits = step.next_order(), ticket.type in STOPS
        return Order(
            id=number,
            account=account,
            symbol=ticket.symbol,
            client_id=ticket.client_id or self.new_client_id(number, "order"),
            side=ticket.side,
            type=ticket.type,
            time_in_force=ticket.time_in_force,
            price=ticket.price,
            quantity=ticket.quantity,
            quote_quantity=ticket.quote_quantity,
            stop_price=ticket.stop_price,
            iceberg=ticket.iceberg,
            prevention=ticket.prevention,
            time=step.time,
            update_time=step.time,
            after=last,
            working=not waits,
            working_time=-1 if waits else step.time,
            held=ticket.type is not OrderType.MARKET,
        )

    def _market(
        self, step: Step, instrument: Instrument, order: Order, levels: Mapping[int, int]
    ) -> tuple[Order, list[tuple[int, int]]]:
        symbol, buying = instrument.symbol, order.side is Side.BUY
        if order.quote_quantity:
            most = self.filters[symbol.id].market_lot
            parts = walk(levels, buying=buying, quantity=most, budget=order.quote_quantity)
            if not parts:
                raise VenueError(-2010, "Order book liquidity is less than LOT_SIZE filter minimum quantity.")
            order = replace(order, quantity=sum(quantity for _, quantity in parts))
        else:
            parts = walk(levels, buying=buying, quantity=order.quantity)
        asset, needed = symbol.base, Decimal(order.quantity).scaleb(-symbol.quantity_decimals)
        if buying:
            cost = order.quote_quantity or sum(price * quantity for price, quantity in parts)
            asset, needed = symbol.quote, money(symbol, cost)
        if needed > step.balance(order.account, asset).free:
            raise insufficient()
        return order, parts

    def _parts(self, order: Order, levels: Mapping[int, int]) -> list[tuple[int, int]]:
        parts = walk(levels, buying=order.side is Side.BUY, quantity=order.remaining, limit=order.price)
        if order.time_in_force is TimeInForce.FOK and sum(quantity for _, quantity in parts) < order.remaining:
            return []
        return parts

    def _trigger(self, step: Step, instrument: Instrument, order: Order, trade: Trade) -> None:
        """A stop's price is reached: it begins to work, at the print's time and in the book of that moment."""
        symbol, buying = instrument.symbol, order.side is Side.BUY
        order = replace(order, working=True, working_time=trade.time, update_time=trade.time, after=trade.id)
        levels = self._liquidity.levels(order, instrument, trade.time)
        if order.type in LIMITED:
            parts = self._parts(order, levels)
        else:
            step.move(order.account, release(symbol, order))
            order = replace(order, held=False)
            free = step.balance(order.account, symbol.quote).free
            budget = int(free.scaleb(symbol.price_decimals + symbol.quantity_decimals)) if buying else None
            parts = walk(levels, buying=buying, quantity=order.remaining, budget=budget)
        step.report(order, "NEW")
        self._take(step, instrument, order, parts)
        self._liquidity.take(order.account, symbol.id, parts, trade.time)

    def _take(self, step: Step, instrument: Instrument, order: Order, parts: Iterable[tuple[int, int]]) -> None:
        for price, quantity in parts:
            order = self._fill(step, instrument, order, price, quantity, maker=False)
        if order.is_open and (order.type not in LIMITED or order.time_in_force is not TimeInForce.GTC):
            self._end(step, order, Status.EXPIRED)

    def _fill(
        self, step: Step, instrument: Instrument, order: Order, price: int, quantity: int, *, maker: bool
    ) -> Order:
        symbol, account = instrument.symbol, self.state.accounts[order.account]
        fee = commission(symbol, account, order.side, price, quantity, maker=maker)
        for movement in settle(symbol, order, price, quantity, fee):
            step.move(order.account, movement)
        received = symbol.base if order.side is Side.BUY else symbol.quote
        fill = Fill(
            id=step.next_fill(),
            order=order.id,
            account=order.account,
            symbol=order.symbol,
            side=order.side,
            price=price,
            quantity=quantity,
            commission=fee,
            commission_asset=received,
            time=step.time,
            maker=maker,
        )
        filled = order.filled(price, quantity, step.time)
        step.report(filled, "TRADE", fill)
        return filled

    def _hold(self, step: Step, instrument: Instrument, order: Order) -> None:
        movement: Movement = hold(instrument.symbol, order)
        if movement.locked > step.balance(order.account, movement.asset).free:
            raise insufficient()
        step.move(order.account, movement)

    def _end(self, step: Step, order: Order, status: Status, request_id: str = "") -> Order:
        ended = order.moved(status, step.time)
        if order.held:
            step.move(order.account, release(self._exchange.instruments[order.symbol].symbol, order))
        step.report(ended, str(status), request_id=request_id)
        return ended

    def _refuse_duplicate(self, account: int, ticket: Ticket) -> None:
        rule = self._faults.duplicate_client_ids
        if not ticket.client_id or rule == "never":
            return
        named = self.records.orders_named(account, ticket.symbol, ticket.client_id)
        if any(rule == "always" or order.is_open for order in named):
            raise VenueError(-2010, "Duplicate order sent.")
