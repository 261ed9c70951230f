"""Order management: orders on paper and at a venue, followed from the intent to the end, refused, and canceled."""

from __future__ import annotations

import asyncio
import secrets
from decimal import ROUND_DOWN, Decimal
from uuid import UUID

from examples.stage import (
    EXCHANGE,
    PATIENCE_SECONDS,
    SYMBOL,
    TRADER,
    Stage,
    Surprise,
    expect,
    expect_problem,
    play,
    say,
    show,
    wait_until,
)
from fullon_client import AsyncClient, Client, Gap, Problem, Topic, bots, cache, exchanges, orders, trades

DAEMONS = ("ticker", "streamer", "account", "execution")
VOLUME = Decimal("0.01")


async def script(stage: Stage) -> None:
    """Orders of somebody new on paper, then those of the demo trader at the venue."""
    with stage.client() as admin:
        await asyncio.to_thread(stage.switch_on, admin, *DAEMONS)
    with stage.newcomer() as newcomer:
        await asyncio.to_thread(on_paper, newcomer)
    if stage.trader_password is None:
        say("orders at the venue are left out: FULLON_TRADER_PASSWORD is not set")
        return
    async with AsyncClient(stage.url) as client:
        await client.log_in(TRADER, stage.trader_password)
        account = (await client.send(exchanges.accounts(active=True))).items[0].ex_id
        await at_the_venue(client, account)
    with Client(stage.url) as trader:
        trader.log_in(TRADER, stage.trader_password)
        await asyncio.to_thread(refused, trader, account)
        await asyncio.to_thread(canceled, trader, account)


def on_paper(trader: Client) -> None:
    """A bot on paper has its orders filled at the present book; they never reach a venue."""
    paper = trader.send(exchanges.catalogue_id(EXCHANGE)).cat_ex_id
    account = trader.send(exchanges.create_account(paper, "main", secrets.token_hex(16), secrets.token_hex(32)))
    bot = trader.send(bots.create("on paper", dry_run=True, active=True))
    trader.send(bots.add_exchange(bot.bot_id, account.ex_id))
    wait_for_price(trader)
    intent = trader.send(orders.place(account.ex_id, SYMBOL, "buy", "market", VOLUME, bot_id=bot.bot_id))
    expect((intent.status, intent.dry_run) == ("new", True), "the answer is the intent, marked as on paper")
    wait_for(trader, intent.order_id, "filled")
    done = trader.send(orders.get(intent.order_id))
    expect(done.venue_order_id is None, f"it was filled at {done.average}, and no venue knows it")
    [fill] = trader.each(trades.history(bot_id=bot.bot_id, dry_run=True))
    expect((fill.order_id, fill.volume) == (intent.order_id, VOLUME), "its fill is among the trades")


async def at_the_venue(trader: AsyncClient, account: UUID) -> None:
    """A market order, watched on the `orders` channel from the intent to the fill."""
    reference = f"example-{secrets.token_hex(6)}"
    place = orders.place(account, SYMBOL, "buy", "market", VOLUME, client_order_id=reference)
    states: list[str] = []
    order_id: UUID | None = None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), trader.subscribe(Topic("orders"), on_notice=say) as events:
            async for event in events:
                if isinstance(event, Gap):
                    raise Surprise(f"A gap on a quiet machine: {event}.")
                if order_id is None:  # the snapshot: the subscription stands
                    order_id = (await trader.send(place)).order_id
                states += [order["status"] for order in event.data if order["order_id"] == str(order_id)]
                if {"filled", "rejected"} & {*states}:
                    break
    except TimeoutError as error:
        raise Surprise(f"The order {order_id} did not end; it went {' → '.join(states) or 'nowhere'}.") from error
    expect(states[-1] == "filled", f"an order at the venue went {' → '.join(dict.fromkeys(states))}")

    assert order_id is not None, "it has a state"
    done = await trader.send(orders.get(order_id))
    show(["at", "status", "by"], [[e.at.strftime("%H:%M:%S.%f")[:-3], e.status, e.actor] for e in done.events])
    expect(done.venue_order_id, f"the venue knows it as {done.venue_order_id}; it was sent {done.attempt} time")
    again = await trader.send(orders.history(symbol=SYMBOL, limit=1))
    expect(again.items[0].order_id == order_id, "it is the newest of the history")
    try:
        await trader.send(place.keyed(secrets.token_hex(8)))
    except Problem as problem:
        expect(problem.status == 409, f"a second order by the same name is refused: “{problem.detail}”")
    else:
        raise Surprise("Two orders have the same client_order_id.")


def refused(trader: Client, account: UUID) -> None:
    """What a rule of the symbol forbids is never sent; the answer says which rule, and an amount that keeps it."""
    small = Decimal("0.00001")
    problem = expect_problem(
        lambda: trader.send(orders.place(account, SYMBOL, "buy", "limit", small, price=limit_price(trader))),
        422,
        "an order of too little is refused",
    )
    expect(Decimal(problem.facts["smallest"]) > small, f"the least is {problem.facts['smallest']}")
    expect_problem(
        lambda: trader.send(orders.place(account, SYMBOL, "sell", "market", Decimal("0.0123456789"))),
        422,
        "an amount between two steps is refused, not rounded",
    )


def canceled(trader: Client, account: UUID) -> None:
    """A limit order far from the market rests until it is canceled."""
    resting = trader.send(orders.place(account, SYMBOL, "buy", "limit", VOLUME, price=limit_price(trader)))
    wait_for(trader, resting.order_id, "open")
    found = [order.order_id for order in trader.each(orders.alive(symbol=SYMBOL))]
    expect(resting.order_id in found, "it is among the open orders")
    asked = trader.send(orders.cancel(resting.order_id))
    say(f"asked for its end: {asked.status}, since {asked.cancel_requested_at}")
    wait_for(trader, resting.order_id, "canceled")
    stats = trader.send(orders.stats(symbol=SYMBOL))
    expect(stats.by_status.get("canceled", 0) >= 1, f"what became of all: {stats.by_status}")


def wait_for(trader: Client, order_id: UUID, status: str) -> None:
    """Wait until an order has this status."""
    wait_until(lambda: trader.send(orders.get(order_id)).status == status, f"the order is {status}")


def wait_for_price(trader: Client) -> None:
    """Wait until the ticker knows the symbol."""

    def known() -> bool:
        try:
            return trader.send(cache.ticker(EXCHANGE, SYMBOL)).price > 0
        except Problem:
            return False

    wait_until(known, "the price is known")


def limit_price(trader: Client) -> Decimal:
    """A tenth below the market, in whole units."""
    price = trader.send(cache.ticker(EXCHANGE, SYMBOL)).price * Decimal("0.9")
    return price.quantize(Decimal(1), ROUND_DOWN)


if __name__ == "__main__":
    play(script)
