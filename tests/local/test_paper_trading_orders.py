"""What orders do on the paper venue's desk: fills, fees, locks, stops, and that nothing depends on when it looks."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest

from local.paper.errors import VenueError
from local.paper.trading.orders import OrderType, Side, Status, TimeInForce
from local.paper.trading.state import Position, Report
from tests.local.paper_trading import FUNDS, Trader

BTC = 10**8
FEE = Decimal("0.001")


@pytest.fixture
def trader() -> Trader:
    """A desk in memory, with an account that has some of everything."""
    return Trader()


def test_a_market_order_walks_the_shown_book_and_slips(trader: Trader) -> None:
    asks = trader.btc.depth(trader.now, 200).asks

    order = trader.place(Side.BUY, OrderType.MARKET, 5 * BTC).order

    fills = trader.fills(order)
    shown = list(asks.items())[: len(fills)]
    assert order.status is Status.FILLED
    assert len(fills) > 3
    assert [fill.price for fill in fills] == [price for price, _ in shown]
    assert [fill.quantity for fill in fills[:-1]] == [quantity for _, quantity in shown[:-1]]
    assert all(not fill.maker for fill in fills)


def test_the_fee_is_taken_from_what_is_received(trader: Trader) -> None:
    bought = trader.place(Side.BUY, OrderType.MARKET, BTC // 10)
    after_buying = trader.free("BTC")
    sold = trader.place(Side.SELL, OrderType.MARKET, BTC // 10)

    paid = Decimal(sum(fill.price * fill.quantity for fill in bought.fills)).scaleb(-10)
    got = Decimal(sum(fill.price * fill.quantity for fill in sold.fills)).scaleb(-10)
    fees = sum(fill.commission for fill in sold.fills)
    assert after_buying == Decimal(10) + Decimal("0.1") * (1 - FEE)
    assert {fill.commission_asset for fill in bought.fills} == {"BTC"}
    assert {fill.commission_asset for fill in sold.fills} == {"USDT"}
    assert abs(fees - got * FEE) < Decimal("0.00000001") * len(sold.fills)
    assert trader.free("USDT") == Decimal(FUNDS["USDT"]) - paid + got - fees


def test_a_quote_is_not_taken_twice_by_the_same_account_in_one_beat(trader: Trader) -> None:
    asks = trader.btc.depth(trader.now, 200).asks
    best, there = next(iter(asks.items()))

    first = trader.place(Side.BUY, OrderType.MARKET, there)
    second = trader.place(Side.BUY, OrderType.MARKET, there // 2)
    trader.pass_time(0.2)
    third = trader.place(Side.BUY, OrderType.MARKET, BTC // 1000)

    assert [fill.price for fill in first.fills] == [best]
    assert min(fill.price for fill in second.fills) > best
    assert third.fills[0].price == next(iter(trader.btc.depth(trader.now, 1).asks))


def test_a_resting_order_locks_its_funds_and_a_cancellation_gives_them_back(trader: Trader) -> None:
    price = trader.btc.last(trader.now).price // 2

    order = trader.place(Side.BUY, OrderType.LIMIT, BTC, price).order
    locked = trader.locked("USDT"), trader.free("USDT")
    canceled = trader.desk.cancel(trader.account, order.id, "gone")

    cost = Decimal(price).scaleb(-2)
    assert locked == (cost, Decimal(FUNDS["USDT"]) - cost)
    assert canceled.status is Status.CANCELED
    assert (trader.locked("USDT"), trader.free("USDT")) == (Decimal(0), Decimal(FUNDS["USDT"]))
    with pytest.raises(VenueError, match="Unknown order sent"):
        trader.desk.cancel(trader.account, order.id, "again")


def test_a_limit_order_rests_until_the_path_trades_through_it_then_fills_in_parts_at_its_price(trader: Trader) -> None:
    bid = next(iter(trader.btc.depth(trader.now, 1).bids))

    placed = trader.place(Side.BUY, OrderType.LIMIT, 9 * BTC, bid)
    trader.pass_time(3600)

    fills = trader.fills(placed.order)
    prints = {trade.time: trade for trade in trader.btc.tape.since(placed.order.after + 1, trader.now)}
    assert placed.fills == ()
    assert len(fills) > 3
    assert {fill.price for fill in fills} == {bid}
    assert all(fill.maker for fill in fills)
    for fill in fills:
        assert prints[fill.time].price <= bid
        assert fill.quantity <= prints[fill.time].quantity


def test_every_print_beyond_the_limit_fills_and_none_on_the_other_side() -> None:
    trader = Trader(funds={"BTC": "100"})
    ask = next(iter(trader.btc.depth(trader.now, 1).asks))

    order = trader.place(Side.SELL, OrderType.LIMIT, 100 * BTC, ask + 2_000).order
    trader.pass_time(900)

    filled = {fill.time for fill in trader.fills(order)}
    prints = list(trader.btc.tape.since(order.after + 1, trader.now))
    assert trader.order(order).status is Status.PARTIALLY_FILLED
    assert {trade.time for trade in prints if trade.price > order.price} <= filled
    assert filled <= {trade.time for trade in prints if trade.price >= order.price}
    assert filled


def test_fills_do_not_depend_on_when_the_venue_looks() -> None:
    often, seldom = Trader(), Trader()
    bid = next(iter(often.btc.depth(often.now, 1).bids))

    for trader in (often, seldom):
        trader.place(Side.BUY, OrderType.LIMIT, 5 * BTC, bid - 1_000)
        trader.place(Side.SELL, OrderType.LIMIT, 5 * BTC, bid + 3_000)
        trader.place(Side.SELL, OrderType.STOP_LOSS, BTC, stop_price=bid - 20_000)
    for _ in range(360):
        often.pass_time(5)
    seldom.pass_time(1800)

    listed = [trader.records.fills(trader.account, "BTCUSDT", 1000, end=1 << 60) for trader in (often, seldom)]
    assert listed[0] == listed[1]
    assert len(listed[0]) > 5
    assert often.desk.state.balances == seldom.desk.state.balances


def test_the_seed_decides_the_share_of_a_print_that_only_touches() -> None:
    quantities = set()
    for seed in range(1, 8):
        trader = Trader(seed=seed)
        prints = list(trader.btc.tape.since(trader.btc.last(trader.now).id + 1, trader.now + 3_600_000))
        touch = next(
            each
            for number, each in enumerate(prints)
            if each.buyer_is_maker and number and each.price < min(one.price for one in prints[:number])
        )
        order = trader.place(Side.BUY, OrderType.LIMIT, touch.quantity, touch.price).order
        trader.pass_time((touch.time - trader.now) / 1000)
        quantities.add(trader.order(order).executed)

    assert len(quantities) > 3
    assert max(quantities) < touch.quantity


def test_orders_of_one_account_share_a_print_best_price_first(trader: Trader) -> None:
    bid = next(iter(trader.btc.depth(trader.now, 1).bids))
    worse = trader.place(Side.BUY, OrderType.LIMIT, 9 * BTC, bid - 5_000).order
    better = trader.place(Side.BUY, OrderType.LIMIT, BTC, bid - 4_000).order

    trader.pass_time(7200)

    prints = {trade.time: trade for trade in trader.btc.tape.since(worse.after + 1, trader.now)}
    fills = trader.fills(worse) + trader.fills(better)
    assert trader.order(better).status is Status.FILLED
    assert min(fill.time for fill in trader.fills(better)) <= min(fill.time for fill in trader.fills(worse))
    for time, trade in prints.items():
        assert sum(fill.quantity for fill in fills if fill.time == time) <= trade.quantity


def test_a_marketable_limit_order_takes_up_to_its_limit_and_rests_with_the_remainder(trader: Trader) -> None:
    asks = list(trader.btc.depth(trader.now, 200).asks.items())
    limit = asks[2][0]

    placed = trader.place(Side.BUY, OrderType.LIMIT, 9 * BTC, limit)

    taken = sum(quantity for _, quantity in asks[:3])
    remaining = Decimal(limit * (9 * BTC - taken)).scaleb(-10)
    assert [(fill.price, fill.quantity) for fill in placed.fills] == asks[:3]
    assert placed.order.status is Status.PARTIALLY_FILLED
    assert trader.locked("USDT") == remaining


def test_immediate_orders_leave_nothing_behind(trader: Trader) -> None:
    asks = list(trader.btc.depth(trader.now, 200).asks.items())
    best, there = asks[0]

    partly = trader.place(Side.BUY, OrderType.LIMIT, 2 * there, best, time_in_force=TimeInForce.IOC)
    trader.pass_time(1)
    best, there = next(iter(trader.btc.depth(trader.now, 1).asks.items()))
    nothing = trader.place(Side.BUY, OrderType.LIMIT, there + 1, best, time_in_force=TimeInForce.FOK)
    whole = trader.place(Side.BUY, OrderType.LIMIT, there, best, time_in_force=TimeInForce.FOK)

    assert (partly.order.status, partly.order.executed) == (Status.EXPIRED, asks[0][1])
    assert (nothing.order.status, nothing.order.executed) == (Status.EXPIRED, 0)
    assert whole.order.status is Status.FILLED
    assert trader.locked("USDT") == 0


def test_a_maker_order_that_would_take_is_refused(trader: Trader) -> None:
    best = next(iter(trader.btc.depth(trader.now, 1).asks))

    with pytest.raises(VenueError, match="Order would immediately match and take"):
        trader.place(Side.BUY, OrderType.LIMIT_MAKER, BTC, best)

    assert trader.place(Side.BUY, OrderType.LIMIT_MAKER, BTC, best - 1).order.status is Status.NEW


def test_a_market_order_for_an_amount_spends_it_to_less_than_a_step(trader: Trader) -> None:
    amount = 5_000 * 10**10

    placed = trader.place(Side.BUY, OrderType.MARKET, 0, quote_quantity=amount)

    assert placed.order.quantity == placed.order.executed
    assert 0 <= amount - placed.order.amount < placed.fills[-1].price
    assert trader.free("USDT") == Decimal(FUNDS["USDT"]) - Decimal(placed.order.amount).scaleb(-10)


def test_what_the_balance_does_not_cover_is_refused_and_changes_nothing(trader: Trader) -> None:
    before = dict(trader.desk.state.balances[trader.account])
    price = trader.btc.last(trader.now).price

    for side, kind, quantity, limit in (
        (Side.BUY, OrderType.LIMIT, 100 * BTC, price),
        (Side.SELL, OrderType.LIMIT, 10 * BTC + 1, price * 2),
        (Side.BUY, OrderType.MARKET, 20 * BTC, 0),
        (Side.SELL, OrderType.MARKET, 10 * BTC + 1, 0),
    ):
        with pytest.raises(VenueError, match="insufficient balance"):
            trader.place(side, kind, quantity, limit)

    assert trader.desk.state.balances[trader.account] == before
    assert trader.events == []


@pytest.mark.parametrize(
    ("side", "kind", "rising"),
    [
        (Side.SELL, OrderType.STOP_LOSS_LIMIT, False),
        (Side.BUY, OrderType.STOP_LOSS_LIMIT, True),
        (Side.SELL, OrderType.TAKE_PROFIT_LIMIT, True),
        (Side.BUY, OrderType.TAKE_PROFIT_LIMIT, False),
        (Side.SELL, OrderType.STOP_LOSS, False),
        (Side.BUY, OrderType.STOP_LOSS, True),
        (Side.SELL, OrderType.TAKE_PROFIT, True),
        (Side.BUY, OrderType.TAKE_PROFIT, False),
    ],
)
def test_a_stop_waits_for_its_price_and_trades_from_that_print_on(
    trader: Trader, side: Side, kind: OrderType, rising: bool
) -> None:
    last = trader.btc.last(trader.now).price
    stop, limit = last + (10_000 if rising else -10_000), last + (40_000 if side is Side.BUY else -40_000)
    assert trader.place(side, kind, BTC, limit, stop_price=stop).order.working is False
    order = trader.place(side, kind, BTC, limit, stop_price=stop).order
    with pytest.raises(VenueError, match="would trigger immediately"):
        trader.place(side, kind, BTC, limit, stop_price=last)

    trader.pass_time(7200)

    prints = trader.btc.tape.since(order.after + 1, trader.now)
    reached = next(trade for trade in prints if (trade.price >= stop if rising else trade.price <= stop))
    after, fills = trader.order(order), trader.fills(order)
    assert after.working_time == reached.time
    assert after.status is Status.FILLED
    assert fills[0].time == reached.time
    assert not fills[0].maker
    assert trader.locked("USDT") == trader.locked("BTC") == 0


def test_a_stop_to_buy_at_the_market_spends_no_more_than_there_is() -> None:
    trader = Trader(funds={"USDT": "70100"})
    last = trader.btc.last(trader.now).price
    order = trader.place(Side.BUY, OrderType.STOP_LOSS, BTC, stop_price=last + 10_000).order

    trader.pass_time(7200)

    after = trader.order(order)
    assert after.status in {Status.EXPIRED, Status.FILLED}
    assert 0 <= trader.free("USDT") < Decimal("70100")
    assert trader.locked("USDT") == 0


def test_the_stream_tells_each_step_and_the_balances_after_it(trader: Trader) -> None:
    asks = list(trader.btc.depth(trader.now, 200).asks.items())

    placed = trader.place(Side.BUY, OrderType.LIMIT, asks[0][1] + asks[1][1] + 5, asks[1][0])
    trader.desk.cancel(trader.account, placed.order.id, "enough")

    kinds = [event.kind if isinstance(event, Report) else "balances" for event in trader.events]
    reports = [event for event in trader.events if isinstance(event, Report)]
    told = [event for event in trader.events if isinstance(event, Position)][-1]
    assert kinds == ["NEW", "balances", "TRADE", "balances", "TRADE", "balances", "CANCELED", "balances"]
    assert all(one.order.executed <= other.order.executed for one, other in pairwise(reports))
    assert [report.fill for report in reports if report.fill] == trader.fills(placed.order)
    assert reports[-1].request_id == "enough"
    assert told.balances["USDT"] == trader.desk.state.balances[trader.account]["USDT"]


@pytest.mark.parametrize(
    ("rule", "while_open", "afterwards"),
    [
        ("open", True, False),
        ("always", True, True),
        ("never", False, False),
    ],
)
def test_the_three_rules_for_a_client_order_id_that_comes_again(
    trader: Trader, rule: str, while_open: bool, afterwards: bool
) -> None:
    trader.faults.duplicate_client_ids = rule
    price = trader.btc.last(trader.now).price // 2

    def refused() -> bool:
        try:
            trader.place(Side.BUY, OrderType.LIMIT, BTC, price, client_id="once")
        except VenueError as error:
            return (error.code, error.message) == (-2010, "Duplicate order sent.")
        return False

    assert not refused()
    assert refused() is while_open
    for order in trader.desk.state.open.of_account(trader.account):
        trader.desk.cancel(trader.account, order.id, "away")
    assert refused() is afterwards
