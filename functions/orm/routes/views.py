"""Dashboards: every figure is computed from records and says its basis and window; what is not known is null."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from fullon.bots import store as bots
from fullon.identity import users
from fullon.identity.errors import UserNotFound
from fullon.kernel.errors import TimedOut, Unavailable
from fullon.market import cache
from fullon.orders import metrics, views, worth
from fullon.orders.selection import Selection
from fullon.orders.views import By, Group, Held, Totals, currency_of
from fullon.runtime.container import Container
from fullon.runtime.http import Caller, Stores
from fullon.runtime.pages import Cursor, Limit, decode_id_cursor, encode_cursor
from fullon.runtime.problems import responses
from functions.orm.routes.returns import of_returns, performance_of
from functions.orm.routes.trades import LotSide, by_mode
from functions.orm.routes.windows import BotFilter, Chosen, Currency, GivenCapital, window_of
from functions.orm.trade_schemas import MODES_BASIS, TRADES_BASIS, Figures, Window, executed
from functions.orm.view_schemas import (
    BalanceAnswer,
    BotDashboard,
    BotRow,
    Counts,
    Exposure,
    PerformanceMetrics,
    Period,
    PortfolioStats,
    PositionAnswer,
    ProfitOverTime,
    RiskMetrics,
    TradingOverview,
    UserSummary,
)

if TYPE_CHECKING:
    from fullon.orders.fill_store import Connection

router = APIRouter(prefix="/api/v1/orm/views")

OnPaper = Annotated[bool, Query(description="Of trades on paper instead of real ones.")]
EVER = Window(start_time=None, end_time=None)
NO_PRICE = "No price of this symbol is known at present."
CACHE_AWAY = "The cache of prices cannot be reached."
PRICES_BASIS = "Positions are open lots of fills; prices are the latest ticks."
_COUNTS = """
SELECT (SELECT count(*) FROM bots WHERE uid = $1) AS bots,
    (SELECT count(*) FROM bots WHERE uid = $1 AND active) AS active_bots,
    (SELECT count(*) FROM exchanges WHERE uid = $1) AS accounts,
    (SELECT count(*) FROM exchanges WHERE uid = $1 AND active) AS active_accounts,
    (SELECT count(*) FROM strategies WHERE uid = $1) AS strategies,
    (SELECT count(*) FROM orders WHERE uid = $1) AS orders,
    (SELECT count(*) FROM orders WHERE uid = $1
        AND status IN ('new', 'submitted', 'open', 'partially_filled', 'unknown')) AS open_orders,
    (SELECT count(*) FROM (SELECT DISTINCT ex_id, symbol, dry_run FROM open_lots WHERE uid = $1) p) AS open_positions
"""
_BOT_POSITIONS = """
SELECT bot_id, count(DISTINCT (ex_id, symbol)) AS positions FROM open_lots
WHERE uid = $1 AND bot_id = ANY($2) GROUP BY bot_id
"""


@router.get(
    "/bot-dashboard/{user_id}",
    operation_id="get_bot_dashboard",
    summary="The bots of a user and what came of them",
    description="One's own; admins may look at anybody's.",
    responses=responses(401, 403, 404),
)
async def get_bot_dashboard(
    user_id: UUID, chosen: Chosen, caller: Caller, stores: Stores, limit: Limit = 50, cursor: Cursor = None
) -> BotDashboard:
    if user_id != caller.user_id and not caller.is_admin:
        raise UserNotFound
    start, now = decode_id_cursor(cursor), stores.clock.now()
    async with stores.connection() as connection:
        await users.get(connection, user_id)
        found = await bots.listing(connection, user_id, active=None, dry_run=None, after=start, limit=limit + 1)
        page = found[:limit]
        groups = await views.groups(connection, chosen.of(user_id, of_bots=True), By.BOT, By.DRY_RUN) if page else []
        rows = await connection.fetch(_BOT_POSITIONS, user_id, [bot.bot_id for bot in page])
    positions = {row["bot_id"]: row["positions"] for row in rows}
    return BotDashboard(
        window=window_of(chosen.of(user_id)),
        basis=f"{TRADES_BASIS} A trade is the bot's whose fill opened it; only those of the way the bot trades now.",
        user_id=user_id,
        as_of=now,
        bots=[
            BotRow(
                bot_id=bot.bot_id,
                name=bot.name,
                active=bot.active,
                dry_run=bot.dry_run,
                active_since=bot.active_since,
                uptime_seconds=int((now - bot.active_since).total_seconds()) if bot.active_since else 0,
                open_positions=positions.get(bot.bot_id, 0),
                figures=[
                    Figures.of(currency, totals, dry_run=bot.dry_run)
                    for currency, totals in views.by_currency(
                        each for each in groups if each.by == (bot.bot_id, bot.dry_run)
                    ).items()
                ],
            )
            for bot in page
        ],
        next_cursor=encode_cursor(str(page[-1].bot_id)) if len(found) > limit else None,
    )


@router.get(
    "/trading-overview",
    operation_id="get_trading_overview",
    summary="Trading at a glance",
    responses=responses(401, 403),
)
async def get_trading_overview(caller: Caller, stores: Stores) -> TradingOverview:
    now = stores.clock.now()
    async with stores.connection() as connection:
        counts = await _counts(connection, caller.user_id)
        ever = await views.groups(connection, Selection(uid=caller.user_id), By.DRY_RUN)
        recent = await views.groups(
            connection, Selection(uid=caller.user_id, since=_midnight(now, days_ago=29)), By.DAY, By.DRY_RUN
        )
    return TradingOverview(
        window=EVER,
        basis=f"{TRADES_BASIS} {MODES_BASIS} Periods are of UTC days of closing. Counts are of now.",
        as_of=now,
        counts=counts,
        profit=[
            _profit(
                group, [each for each in recent if (each.currency, each.by[1]) == (group.currency, group.by[0])], now
            )
            for group in sorted(ever, key=lambda each: (each.by[0], -each.totals.trades, each.currency))
        ],
    )


@router.get(
    "/performance-metrics",
    operation_id="get_performance_metrics",
    summary="How trading went: win rate, profit factor, Sharpe, Sortino, expectancy, drawdown",
    responses=responses(401, 403),
)
async def get_performance_metrics(
    chosen: Chosen,
    caller: Caller,
    stores: Stores,
    bot_id: BotFilter = None,
    dry_run: OnPaper = False,
    side: LotSide = None,
    currency: Currency = None,
    capital: GivenCapital = None,
) -> PerformanceMetrics:
    selection = chosen.of(caller.user_id, bot_id=bot_id, dry_run=dry_run, side=side)
    return await performance_of(stores, selection, currency, capital)


@router.get(
    "/user-summary",
    operation_id="get_user_summary",
    summary="One's own records and what came of them",
    responses=responses(401, 403),
)
async def get_user_summary(chosen: Chosen, caller: Caller, stores: Stores) -> UserSummary:
    selection = chosen.of(caller.user_id)
    async with stores.connection() as connection:
        user = await users.get(connection, caller.user_id)
        return UserSummary(
            window=window_of(selection),
            basis=f"{TRADES_BASIS} {MODES_BASIS} Counts are of now.",
            user_id=user.uid,
            name=user.name,
            role=user.role.value,
            created_at=user.created_at,
            as_of=stores.clock.now(),
            counts=await _counts(connection, user.uid),
            executed=executed(await views.executed(connection, selection)),
            figures=by_mode(await views.groups(connection, selection, By.DRY_RUN)),
        )


@router.get(
    "/portfolio-stats",
    operation_id="get_portfolio_stats",
    summary="What the accounts hold, and what is open",
    description="Balances as the account daemon wrote them down last.",
    responses=responses(401, 403),
)
async def get_portfolio_stats(
    caller: Caller,
    stores: Stores,
    ex_id: Annotated[UUID | None, Query(description="Only of this exchange account.")] = None,
) -> PortfolioStats:
    async with stores.connection() as connection:
        recorded = await worth.balances(connection, caller.user_id, ex_id=ex_id)
        held = await views.held(connection, Selection(uid=caller.user_id, ex_id=ex_id))
    marks = await _marks(stores, held)
    total = worth.total(recorded)
    reason = None
    if total is None:
        reason = "A balance has no known price." if recorded else "No balance was written down yet."
    return PortfolioStats(
        window=EVER,
        basis=f"Balances as written down last, valued then. {PRICES_BASIS} {MODES_BASIS}",
        as_of=stores.clock.now(),
        balances=[BalanceAnswer.of(each) for each in recorded],
        worth=total,
        worth_reason=reason,
        positions=[_position(each, marks) for each in held],
        exposure=_exposure(held, marks),
    )


@router.get(
    "/risk-metrics",
    operation_id="get_risk_metrics",
    summary="What could be lost: value at risk, drawdown, exposure",
    responses=responses(401, 403),
)
async def get_risk_metrics(
    chosen: Chosen,
    caller: Caller,
    stores: Stores,
    bot_id: BotFilter = None,
    dry_run: OnPaper = False,
    currency: Currency = None,
    capital: GivenCapital = None,
) -> RiskMetrics:
    selection = chosen.of(caller.user_id, bot_id=bot_id, dry_run=dry_run)
    present = Selection(uid=caller.user_id, bot_id=bot_id, ex_id=chosen.ex_id, symbol=chosen.symbol, dry_run=dry_run)
    async with stores.connection() as connection:
        _, measured, shared = await of_returns(stores, connection, selection, currency, capital)
        held = await views.held(connection, present)
    reasons = {name: text for name, text in shared["reasons"].items() if name not in {"sharpe_ratio", "sortino_ratio"}}
    return RiskMetrics.model_validate(
        {
            **shared,
            "basis": f"{shared['basis']} {PRICES_BASIS}",
            "reasons": reasons,
            "value_at_risk": measured.value_at_risk,
            "value_at_risk_amount": measured.value_at_risk_amount,
            "confidence": metrics.CONFIDENCE,
            "exposure": _exposure(held, await _marks(stores, held)),
        }
    )


async def _counts(connection: Connection, uid: UUID) -> Counts:
    row = await connection.fetchrow(_COUNTS, uid)
    assert row is not None
    return Counts(**dict(row))


def _profit(ever: Group, recent: list[Group], now: datetime) -> ProfitOverTime:
    return ProfitOverTime(
        currency=ever.currency,
        dry_run=ever.by[0],
        today=_period(recent, _midnight(now)),
        week=_period(recent, _midnight(now, days_ago=6)),
        month=_period(recent, _midnight(now, days_ago=29)),
        ever=Period(since=None, trades=ever.totals.trades, pnl=ever.totals.pnl),
    )


def _period(recent: list[Group], since: datetime) -> Period:
    totals = sum((each.totals for each in recent if each.by[0] >= since.date()), Totals())
    return Period(since=since, trades=totals.trades, pnl=totals.pnl)


def _midnight(now: datetime, days_ago: int = 0) -> datetime:
    return datetime.combine(now.date() - timedelta(days=days_ago), time(), now.tzinfo)


@dataclass(frozen=True, slots=True)
class _Marks:
    prices: Mapping[tuple[str, str], Decimal]
    reason: str

    def of(self, held: Held) -> Decimal | None:
        return self.prices.get((held.exchange, held.symbol))


async def _marks(stores: Container, held: Iterable[Held]) -> _Marks:
    """The latest prices of what is held; none of them where the cache is away."""
    wanted: dict[str, set[str]] = {}
    for each in held:
        wanted.setdefault(each.exchange, set()).add(each.symbol)
    prices: dict[tuple[str, str], Decimal] = {}
    try:
        for exchange, symbols in wanted.items():
            for tick in await cache.ticks(stores.valkey, exchange):
                if tick.symbol in symbols:
                    prices[exchange, tick.symbol] = tick.price
    except (Unavailable, TimedOut):
        return _Marks({}, CACHE_AWAY)
    return _Marks(prices, NO_PRICE)


def _position(held: Held, marks: _Marks) -> PositionAnswer:
    mark = marks.of(held)
    if mark is None:
        return PositionAnswer.of(held, mark=None, value=None, unrealized=None, reason=marks.reason)
    return PositionAnswer.of(held, mark=mark, value=mark * held.volume, unrealized=_unrealized(held, mark), reason=None)


def _unrealized(held: Held, mark: Decimal) -> Decimal:
    gain = mark * held.volume - held.cost
    return (gain if held.side == "long" else -gain) - held.fees


def _exposure(held: Iterable[Held], marks: _Marks) -> list[Exposure]:
    sorts: dict[tuple[bool, str], list[Held]] = {}
    for each in held:
        sorts.setdefault((each.dry_run, currency_of(each.symbol)), []).append(each)
    found = []
    for (dry_run, currency), of_one in sorted(sorts.items()):
        prices = {id(each): marks.of(each) for each in of_one}
        valued = [(each, price) for each in of_one if (price := prices[id(each)]) is not None]
        complete = len(valued) == len(of_one)
        signed = [(each, price * each.volume * (1 if each.side == "long" else -1)) for each, price in valued]
        found.append(
            Exposure(
                currency=currency,
                dry_run=dry_run,
                positions=len(of_one),
                cost=sum((each.cost for each in of_one), Decimal(0)),
                gross=sum((abs(value) for _, value in signed), Decimal(0)) if complete else None,
                net=sum((value for _, value in signed), Decimal(0)) if complete else None,
                unrealized=sum((_unrealized(*each) for each in valued), Decimal(0)) if complete else None,
                reason=None if complete else marks.reason,
            )
        )
    return found
