"""The desk's books under any sequence of orders, prints and restarts: nothing is lost, made up, or overdrawn."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fullon.kernel.errors import Invalid
from local.paper.errors import VenueError
from local.paper.trading.accounts import Balance
from local.paper.trading.answers import number
from local.paper.trading.events import message
from local.paper.trading.orders import LIMITED, STOPS, OrderType, Side, TimeInForce
from local.paper.trading.provisioning import provision
from local.paper.trading.state import Deposit, Position, Report
from tests.local.paper_trading import KEY, Trader

SYMBOLS = ("BTCUSDT", "ETHUSDT")
TYPICAL = {"BTCUSDT": 10**7, "ETHUSDT": 5_000}
FOREVER = 1 << 60


class Books(RuleBasedStateMachine):
    """Orders of every kind near the price, cancellations, time, deposits, restarts; checked after each."""

    @initialize(seed=st.integers(1, 3))
    def open(self, seed: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.trader = Trader(path=Path(self.folder.name) / "venue.sqlite", seed=seed)
        self.deposited = {asset: Decimal(amount) for asset, amount in self.trader.funds.items()}
        self.read = 0
        self.told: dict[str, Balance] = {}
        self.last: dict[int, Report] = {}
        self.refusals = set[int]()

    def teardown(self) -> None:
        if hasattr(self, "trader"):
            self.trader.records.close()
            self.folder.cleanup()

    @rule(
        symbol=st.sampled_from(SYMBOLS),
        side=st.sampled_from(Side),
        kind=st.sampled_from(OrderType),
        life=st.sampled_from(TimeInForce),
        size=st.integers(1, 4000),
        away=st.integers(-60, 60),
        trigger=st.integers(-60, 60),
        by_amount=st.booleans(),
    )
    def place(
        self,
        symbol: str,
        side: Side,
        kind: OrderType,
        life: TimeInForce,
        size: int,
        away: int,
        trigger: int,
        by_amount: bool,
    ) -> None:
        trader = self.trader
        last = trader.exchange.instruments[symbol].last(trader.now).price
        quantity = TYPICAL[symbol] * size // 100
        amount = last * quantity if by_amount and kind is OrderType.MARKET else 0
        try:
            trader.place(
                side,
                kind,
                0 if amount else quantity,
                last + last * away // 10_000,
                symbol=symbol,
                time_in_force=life if kind in LIMITED and kind is not OrderType.LIMIT_MAKER else TimeInForce.GTC,
                stop_price=last + last * trigger // 10_000 if kind in STOPS else 0,
                quote_quantity=amount,
            )
        except VenueError as error:
            self.refusals.add(error.code)

    @rule(pick=st.integers(0, 1000))
    def cancel(self, pick: int) -> None:
        self.trader.desk.now()
        orders = self.trader.desk.state.open.of_account(self.trader.account)
        if orders:
            self.trader.desk.cancel(self.trader.account, orders[pick % len(orders)].id, "no more")

    @rule(seconds=st.sampled_from([0.05, 1.0, 7.0, 61.0, 400.0]))
    def pass_time(self, seconds: float) -> None:
        self.trader.pass_time(seconds)

    @rule(seconds=st.sampled_from([0.0, 30.0]))
    def restart(self, seconds: float) -> None:
        self.trader.wall.advance(seconds)
        before = self.trader.desk.state
        self.trader.restart()
        after = self.trader.desk.state

        assert after.balances == before.balances
        assert after.open.of_account(self.trader.account) == before.open.of_account(self.trader.account)
        assert (after.last_order, after.last_fill) == (before.last_order, before.last_fill)
        assert (after.accounts, after.keys) == (before.accounts, before.keys)

    @rule(asset=st.sampled_from(["USDT", "BTC"]), amount=st.sampled_from(["-7", "0.00000001", "12.5"]))
    def deposit(self, asset: str, amount: str) -> None:
        try:
            provision(self.trader.desk, {"key": KEY, "deposits": {asset: amount}})
        except Invalid:
            return
        self.deposited[asset] += Decimal(amount)

    @invariant()
    def refusals_are_those_of_the_filters_and_the_market(self) -> None:
        assert self.refusals <= {-1013, -2010}

    @invariant()
    def balances_are_what_was_deposited_and_traded(self) -> None:
        trader, state = self.trader, self.trader.desk.state
        totals = dict(self.deposited)
        for name in SYMBOLS:
            symbol = trader.exchange.instruments[name].symbol
            for fill in trader.records.fills(trader.account, name, 100_000, first=0, end=FOREVER):
                sign = 1 if fill.side is Side.BUY else -1
                totals[symbol.base] += sign * Decimal(symbol.quantity(fill.quantity))
                totals[symbol.quote] -= sign * Decimal(symbol.amount(fill.price * fill.quantity))
                totals[fill.commission_asset] -= fill.commission
        for asset, balance in state.balances[trader.account].items():
            assert balance.free >= 0
            assert balance.locked >= 0
            assert balance.free + balance.locked == totals[asset], asset

    @invariant()
    def what_is_locked_is_what_open_orders_need(self) -> None:
        trader = self.trader
        locked = dict.fromkeys(self.deposited, Decimal(0))
        for order in trader.desk.state.open.of_account(trader.account):
            symbol = trader.exchange.instruments[order.symbol].symbol
            if order.side is Side.BUY:
                locked[symbol.quote] += Decimal(symbol.amount(order.remaining * (order.price or order.stop_price)))
            else:
                locked[symbol.base] += Decimal(symbol.quantity(order.remaining))
        assert {asset: trader.locked(asset) for asset in locked} == locked

    @invariant()
    def orders_hold_exactly_their_fills_and_keep_their_limits(self) -> None:
        trader = self.trader
        for name in SYMBOLS:
            for order in trader.records.orders(trader.account, name, 100_000, first=0, end=FOREVER):
                fills = trader.fills(order)
                assert order.executed == sum(fill.quantity for fill in fills) <= order.quantity
                assert order.amount == sum(fill.price * fill.quantity for fill in fills)
                if order.type in LIMITED:
                    worse = [
                        f
                        for f in fills
                        if (f.price > order.price) is (order.side is Side.BUY) and f.price != order.price
                    ]
                    assert worse == []
                if order.is_open:
                    assert trader.desk.state.open.find(order.account, order.id) == order

    @invariant()
    def the_stream_has_told_exactly_what_is_so(self) -> None:
        trader = self.trader
        for event in trader.events[self.read :]:
            message(event, trader.exchange, trader.now)
            if isinstance(event, Position):
                self.told.update(event.balances)
            elif isinstance(event, Report):
                before = self.last.get(event.order.id)
                assert before is None or event.order.executed >= before.order.executed
                assert before is None or event.time >= before.time
                self.last[event.order.id] = event
            else:
                assert isinstance(event, Deposit)
        self.read = len(trader.events)
        for asset, balance in self.told.items():
            assert number(balance.free) == number(trader.free(asset))
            assert balance == trader.desk.state.balances[trader.account][asset]
        for report in self.last.values():
            assert trader.order(report.order) == report.order


TestBooks = Books.TestCase
TestBooks.settings = settings(
    max_examples=40, stateful_step_count=35, deadline=None, suppress_health_check=list(HealthCheck)
)
