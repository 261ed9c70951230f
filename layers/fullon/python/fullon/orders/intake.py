"""From a request to a durable intent: what an order must satisfy before it is written down.

:func:`look` says what the order is about, :func:`check` holds it against the rules of its symbol and the balance of its
account, :func:`enter` writes it. Only the last needs a transaction; the cache is asked outside of one.

The balance is that of the cache. Where the cache has none, cannot be read, says something old, or says something from
before the latest change of the account's orders, nothing is refused for it: the venue decides. So is the smallest worth
of a market order while the cache cannot be read. Orders on paper take nothing from the account.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING
from uuid import UUID

from fullon.bots import store as bots
from fullon.bots.errors import NotOnThatExchange
from fullon.bots.model import Bot
from fullon.kernel.clock import Clock
from fullon.kernel.errors import Invalid, TimedOut, Unavailable
from fullon.market import cache
from fullon.market.catalogue import nearest
from fullon.orders import account_balance, order_store, rules
from fullon.orders.errors import AccountUnusable, BotChanged, SwitchedOff, SymbolNotTraded
from fullon.orders.model import NewOrder, Order, OrderType, Side
from fullon.orders.rules import BreaksRule, Limits, Rule
from fullon.venues import accounts, store
from fullon.venues.account import Account
from fullon.venues.model import Symbol
from fullon.venues.trading import check_places

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from fullon.orders.fill_store import Connection

#: Products of price and quantity beyond it would not fit where costs are kept.
LARGEST_WORTH = Decimal(10) ** 18
#: Digits that a quotient of two amounts can need.
PRECISION = 80
#: An older balance is not held against an order.
OLDEST_BALANCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An order as it is asked for.

    Attributes:
        reference: the caller's own id of it.
    """

    uid: UUID
    ex_id: UUID
    bot_id: UUID | None
    symbol: str
    side: Side
    order_type: OrderType
    volume: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    leverage: Decimal = Decimal(1)
    reference: str | None = None
    purpose: str = "manual"


@dataclass(frozen=True, slots=True)
class Context:
    """What a wanted order is about.

    Attributes:
        changed_at: when the orders of the account last changed; None without any.
    """

    account: Account
    bot: Bot | None
    symbol: Symbol
    changed_at: datetime | None

    @property
    def dry_run(self) -> bool:
        """Whether it is filled at the present book and never sent."""
        return self.bot is not None and self.bot.dry_run

    @property
    def limits(self) -> Limits:
        """What the venue says of the symbol."""
        symbol = self.symbol
        return Limits(
            symbol.base,
            symbol.quote,
            symbol.tick_size,
            symbol.step_size,
            symbol.min_quantity,
            symbol.min_notional,
        )


async def look(connection: Connection, wanted: Wanted) -> Context:
    """What an order is about.

    Raises:
        AccountNotFound, BotNotFound, NotOnThatExchange: the user has no such account, or bot, or not there.
        SwitchedOff: the account or the bot is.
        AccountUnusable, NotOffered: the account's keys cannot be used, or orders cannot be placed at its venue, and
            this one is not on paper.
        SymbolNotTraded: the venue has no such symbol, or it is switched off.
    """
    account = await accounts.get(connection, wanted.uid, wanted.ex_id)
    if not account.active:
        raise SwitchedOff("account", account.name)
    bot = await _bot(connection, wanted)
    if not (bot and bot.dry_run):
        if account.problem is not None:
            raise AccountUnusable(account.problem)
        check_places(account.exchange, (await store.venue(connection, account.cat_ex_id)).ccxt_id)
    symbol = await _symbol(connection, account, wanted.symbol)
    return Context(account, bot, symbol, await order_store.changed_at(connection, wanted.ex_id))


async def check(valkey: Redis, clock: Clock, wanted: Wanted, context: Context) -> None:
    """Hold an order against the rules of its symbol and what is known of its account's balance.

    Raises:
        BreaksRule: the first rule it breaks, with an amount that does not.
        Invalid: it is leveraged where nothing is lent, or beyond measure.
    """
    if wanted.leverage != 1 and not context.symbol.futures:
        raise Invalid(
            f"{wanted.symbol} is a spot market: there is no leverage.", fields={"leverage": "must be 1 on spot"}
        )
    with localcontext() as decimals:
        decimals.prec = PRECISION
        market_price, is_known = await _market_price(valkey, wanted, context)
        reference = wanted.price or wanted.stop_price or market_price
        if reference is not None and reference * wanted.volume >= LARGEST_WORTH:
            raise Invalid("The order is too large.", fields={"volume": "price times volume is too large"})
        try:
            rules.check_symbol(
                context.limits,
                order_type=wanted.order_type,
                side=wanted.side,
                volume=wanted.volume,
                price=wanted.price,
                stop_price=wanted.stop_price,
                market_price=market_price,
            )
        except BreaksRule as broken:
            if broken.rule is not Rule.PRICE_UNKNOWN or is_known or context.dry_run:
                raise
            return  # the cache is away: the venue knows its price, and getting out of a market must not wait for us
        assert reference is not None, "a rule"
        await _check_balance(valkey, clock, wanted, context, reference)


async def enter(connection: Connection, clock: Clock, wanted: Wanted, context: Context) -> Order:
    """Write an order down as an intent.

    Args:
        connection: in a transaction. Until it ends nobody switches off or removes the account or the bot.
        context: as it was looked at; if the bot trades another way by now, that counts.

    Raises:
        DuplicateReference: the account has an order with this reference.
        AccountNotFound, BotNotFound, NotOnThatExchange, SwitchedOff, AccountUnusable, NotOffered, SymbolNotTraded:
            as :func:`look`.
        BotChanged: its bot was on paper when the order was checked, and is no longer.
    """
    await connection.execute("SELECT FROM exchanges WHERE uid = $1 AND ex_id = $2 FOR SHARE", wanted.uid, wanted.ex_id)
    await connection.execute("SELECT FROM bots WHERE uid = $1 AND bot_id = $2 FOR SHARE", wanted.uid, wanted.bot_id)
    now = await look(connection, wanted)
    if context.dry_run and not now.dry_run:
        raise BotChanged
    return await order_store.add(
        connection,
        clock,
        NewOrder(
            uid=wanted.uid,
            ex_id=wanted.ex_id,
            symbol_id=now.symbol.symbol_id,
            symbol=wanted.symbol,
            side=wanted.side,
            order_type=wanted.order_type,
            volume=wanted.volume,
            price=wanted.price,
            stop_price=wanted.stop_price,
            leverage=wanted.leverage,
            bot_id=wanted.bot_id,
            dry_run=now.dry_run,
            purpose=wanted.purpose,
            reference=wanted.reference,
        ),
    )


async def _bot(connection: Connection, wanted: Wanted) -> Bot | None:
    if wanted.bot_id is None:
        return None
    bot = await bots.get(connection, wanted.uid, wanted.bot_id)
    if not bot.active:
        raise SwitchedOff("bot", bot.name)
    if wanted.ex_id not in {each.ex_id for each in await bots.exchanges(connection, wanted.uid, wanted.bot_id)}:
        raise NotOnThatExchange
    return bot


async def _symbol(connection: Connection, account: Account, name: str) -> Symbol:
    for symbol in await store.symbols_named(connection, name):
        if symbol.cat_ex_id == account.cat_ex_id and symbol.active:
            return symbol
    traded = await store.symbols_of(connection, account.cat_ex_id, active=True)
    raise SymbolNotTraded(account.exchange, name, nearest(name, [each.symbol for each in traded]))


async def _market_price(valkey: Redis, wanted: Wanted, context: Context) -> tuple[Decimal | None, bool]:
    """What a market order is likely to get, and whether that is all that can be known of it."""
    try:
        tick = await cache.present_tick(valkey, context.account.exchange, wanted.symbol)
    except (Unavailable, TimedOut):
        return None, False
    if tick is None:
        return None, True
    touch = tick.ask if wanted.side is Side.BUY else tick.bid
    return touch or tick.price, True


async def _check_balance(valkey: Redis, clock: Clock, wanted: Wanted, context: Context, price: Decimal) -> None:
    if context.dry_run or context.symbol.futures:
        return
    try:
        balances = await account_balance.read(valkey, wanted.ex_id)
    except (Unavailable, TimedOut):
        return
    if balances is None or clock.now() - balances.as_of > OLDEST_BALANCE:
        return
    if context.changed_at is not None and balances.as_of <= context.changed_at:
        return
    currency = context.symbol.base if wanted.side is Side.SELL else context.symbol.quote
    rules.check_balance(
        context.limits,
        balances.free.get(currency, Decimal(0)),
        order_type=wanted.order_type,
        side=wanted.side,
        volume=wanted.volume,
        price=wanted.price,
        market_price=price,
    )
