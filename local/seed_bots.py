"""Three bots for the demo trader, so that there is something to look at, change and switch on.

Each trades another symbol, so they do not block each other, and all of them on paper: they are dry, and off until
somebody switches them on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from fullon.bots import store as bots
from fullon.bots.model import Level
from fullon.identity import users
from fullon.runtime.container import Container
from fullon.strategies import catalogue
from fullon.strategies import store as strategies
from fullon.strategies.model import Period, Settings
from fullon.strategies.parameters import Value
from fullon.venues import accounts
from fullon.venues import store as venues
from fullon.venues.errors import AccountNotFound
from local.seed_accounts import NAME as ACCOUNT

_TENTH = Settings(take_profit=Decimal(4), stop_loss=Decimal(2), size_pct=Decimal(10))
_TREND = Settings(trailing_stop=Decimal(3), size_pct=Decimal(10), pre_load_bars=120)


@dataclass(frozen=True, kw_only=True)
class DemoBot:
    """A bot with one strategy that looks at, and trades, one symbol."""

    name: str
    note: str
    strategy: str
    symbol: str
    period: Period
    compression: int
    settings: Settings
    parameters: Mapping[str, Value] = field(default_factory=dict)


BOTS = (
    DemoBot(
        name="RSI long",
        note="Buys BTC when it is oversold on bars of 15 minutes.",
        strategy="rsi_long",
        symbol="BTC/USDT",
        period=Period.MINUTES,
        compression=15,
        settings=_TENTH,
    ),
    DemoBot(
        name="RSI short",
        note="Sells ETH short when it is overbought on bars of 15 minutes. Only on paper: the venue has no futures.",
        strategy="rsi_short",
        symbol="ETH/USDT",
        period=Period.MINUTES,
        compression=15,
        settings=_TENTH,
    ),
    DemoBot(
        name="Crossover",
        note="Follows the trend of SOL by two moving averages of hours.",
        strategy="crossover",
        symbol="SOL/USDT",
        period=Period.HOURS,
        compression=1,
        settings=_TREND,
        parameters={"fast": 12, "slow": 48},
    ),
)


async def seed(container: Container, mail: str) -> str:
    """Give a user with the account at the paper venue the bots; ``created``, or ``kept`` when they have any bot."""
    async with container.transaction() as connection:
        # Two seeds at once would enter the same, and so would the migration, which fills the catalogue of strategies.
        await connection.execute("SELECT pg_advisory_xact_lock(7106420, 1)")
        owner = await users.find(connection, mail)
        if owner is None:
            return "nobody to give them to"
        uid = owner[0].uid
        if await bots.listing(connection, uid, limit=1):
            return "kept"
        venue = await venues.venue_by_name(connection, "paper")
        try:
            account = await accounts.by_name(connection, uid, ACCOUNT, venue.cat_ex_id)
        except AccountNotFound:
            return "no account to trade on"
        await catalogue.put_builtin(connection)
        known = {each.symbol: each.symbol_id for each in await venues.symbols_of(connection, venue.cat_ex_id)}
        for demo in BOTS:
            await _add(connection, container, uid, account.ex_id, demo, known[demo.symbol])
    return "created"


async def _add(
    connection: bots.Connection, container: Container, uid: UUID, ex_id: UUID, demo: DemoBot, symbol_id: int
) -> None:
    clock = container.clock
    bot = await bots.add(connection, clock, uid, name=demo.name, active=False, dry_run=True, note=demo.note)
    await bots.add_exchange(connection, clock, uid, bot.bot_id, ex_id)
    strategy = await strategies.add(
        connection,
        clock,
        uid,
        bot.bot_id,
        cat_str_id=(await catalogue.named(connection, demo.strategy)).cat_str_id,
        name=demo.name,
        active=True,
        settings=demo.settings,
        parameters=demo.parameters,
    )
    feed = strategies.NewFeed(symbol_id=symbol_id, ex_id=ex_id, period=demo.period, compression=demo.compression)
    await strategies.add_feed(connection, uid, strategy.str_id, feed)
    await bots.note(connection, uid, bot.bot_id, clock.now(), Level.INFO, "created", "The bot came with the demo.")
