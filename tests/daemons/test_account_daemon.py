"""The account daemon as a process, against the paper venue: what happens there is known here, and once."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from fullon.fleet import cache as fleet
from fullon.fleet.model import ProcessRecord, ProcessStatus
from fullon.kernel.clock import SystemClock
from fullon.kernel.ids import new_id
from fullon.orders import account_cache, order_store
from fullon.orders.account_cache import AccountState
from fullon.orders.model import NewOrder, OrderStatus, OrderType, Side
from fullon.runtime.container import Container
from fullon.venues import accounts
from fullon.venues.account import Keys
from fullon.venues.sealing import Binding
from tests.daemons.collecting import Stage, sow, stage
from tests.daemons.waiting import until
from tests.local.paper_trading import SECRET, SignedClient, open_account, switch
from tests.paper_venue import RunningVenue, paper_venue
from tests.people import a_user

D = Decimal
BUY = {"side": "BUY", "type": "MARKET", "quantity": "0.002"}
#: Checks come twenty times as often, so that the tests do not wait for them.
PACE = 0.05
PATIENCE = 60


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with paper_venue("--control") as running:
        yield running


@pytest.fixture
async def made(
    venue: RunningVenue, container: Container, platform_database: str, candles_database: str, valkey_url: str
) -> AsyncIterator[Stage]:
    """The container comes first, so that daemons have its settings, the sealing key among them."""
    with stage(venue, platform_database, candles_database, valkey_url) as ready:
        await sow(ready, symbols=["BTC/USDT"], backtest=0, account_pace=PACE)
        yield ready
        await switch(venue, requests=[], user_streams=None, streams_silent=False)


class Holder:
    """Somebody with an account at the venue, and another account here for each of its keys."""

    def __init__(self, container: Container, made: Stage, uid: UUID) -> None:
        self.container, self.made, self.uid = container, made, uid
        self.key = f"PaperKey{uuid4().hex[:16]}"

    async def add(self, name: str = "main", *, secret: str = SECRET) -> UUID:
        binding = Binding(self.uid, new_id())
        keys = Keys(self.key, secret)
        sealed = await self.container.seals.seal(binding, keys.to_bytes())
        async with self.container.transaction() as connection:
            cat_ex_id = await connection.fetchval("SELECT cat_ex_id FROM cat_exchanges WHERE name = 'paper'")
            await accounts.add(
                connection,
                SystemClock(),
                binding,
                sealed,
                cat_ex_id=cat_ex_id,
                name=name,
                key_hint=keys.hint,
            )
        return binding.ex_id

    async def change(self, ex_id: UUID, *, secret: str | None = None, **values: Any) -> None:
        keys = None
        if secret is not None:
            wanted = Keys(self.key, secret)
            sealed = await self.container.seals.seal(Binding(self.uid, ex_id), wanted.to_bytes())
            keys = (sealed, wanted.hint)
        async with self.container.transaction() as connection:
            await accounts.change(connection, SystemClock(), self.uid, ex_id, values, keys)

    def hand(self) -> SignedClient:
        """Their own program at the venue."""
        return SignedClient(self.made.venue, self.key)

    async def cached(self, ex_id: UUID) -> AccountState | None:
        return next(iter(await account_cache.read(self.container.valkey, [ex_id])), None)

    async def balance(self, ex_id: UUID, currency: str) -> str | None:
        state = await self.cached(ex_id)
        found = {each["currency"]: each["total"] for each in state.balances} if state else {}
        return found.get(currency)

    async def is_cached(self, ex_id: UUID) -> bool:
        return await self.cached(ex_id) is not None

    async def fills(self, ex_id: UUID) -> list[Any]:
        return await self.made.query(
            "SELECT f.*, o.origin, o.status AS order_status, o.filled FROM fills f LEFT JOIN orders o USING (order_id)"
            " WHERE f.ex_id = $1 ORDER BY f.at, length(f.venue_trade_id), f.venue_trade_id",
            ex_id,
            database="platform",
        )

    async def venue_trades(self) -> list[str]:
        async with self.hand() as hand:
            answer = await hand("GET", "/api/v3/myTrades", symbol="BTCUSDT")
        assert answer.status_code == 200, answer.text
        return [str(each["id"]) for each in answer.json()]

    async def knows(self, ex_id: UUID, trades: list[str]) -> bool:
        """Whether these trades of the venue are here and no others, each once and with its order."""
        found = await self.fills(ex_id)
        return bool(trades) and [(each["venue_trade_id"], each["order_status"]) for each in found] == [
            (number, "filled") for number in trades
        ]

    async def learns_all(self, ex_id: UUID, what: str) -> None:
        """Wait until it knows every trade that the venue has by now; the venue is asked once: it counts questions."""
        trades = await self.venue_trades()
        await until(lambda: self.knows(ex_id, trades), PATIENCE, what)


@pytest.fixture
async def holder(container: Container, made: Stage) -> Holder:
    async with container.transaction() as connection:
        uid = await a_user(connection)
    found = Holder(container, made, uid)
    await open_account(made.venue, found.key, SECRET)
    return found


async def test_what_is_done_by_hand_at_the_venue_is_known_and_external(made: Stage, holder: Holder) -> None:
    ex_id = await holder.add()
    daemon = made.start("account")
    await until(lambda: holder.is_cached(ex_id), PATIENCE, "the first balances")

    async with holder.hand() as hand:
        answer = (await hand.order(**BUY, newClientOrderId="my-own-order")).json()
    await holder.learns_all(ex_id, "the fill")
    bought = D("10.002") - sum(D(each["commission"]) for each in answer["fills"])
    await until(lambda: _is(holder.balance(ex_id, "BTC"), bought), PATIENCE, "the new balance")

    fills = await holder.fills(ex_id)
    assert {(each["origin"], each["filled"]) for each in fills} == {("external", D("0.002"))}
    assert [each["price"] for each in fills] == [D(each["price"]) for each in answer["fills"]]

    async def position() -> bool:
        state = await holder.cached(ex_id)
        return state is not None and [(each["symbol"], each["volume"]) for each in state.positions] == [
            ("BTC/USDT", "0.002")
        ]

    await until(position, PATIENCE, "the position")
    history = await made.query(
        "SELECT free + used AS total FROM exchange_history WHERE ex_id = $1 AND currency = 'BTC' ORDER BY at",
        ex_id,
        database="platform",
    )
    assert (history[0]["total"], history[-1]["total"]) == (D(10), bought)
    assert daemon.stop() == 0
    assert SECRET not in repr(daemon.lines())


async def _is(found: Any, expected: Decimal) -> bool:
    text = await found
    return text is not None and D(text) == expected


async def test_an_order_of_ours_is_known_by_its_client_order_id(
    made: Stage, holder: Holder, container: Container
) -> None:
    ex_id = await holder.add()
    async with container.transaction() as connection:
        symbol_id = await connection.fetchval("SELECT symbol_id FROM symbols WHERE symbol = 'BTC/USDT'")
        order = await order_store.add(
            connection,
            SystemClock(),
            NewOrder(
                uid=holder.uid,
                ex_id=ex_id,
                symbol_id=symbol_id,
                symbol="BTC/USDT",
                side=Side.BUY,
                order_type=OrderType.MARKET,
                volume=D("0.002"),
            ),
        )
        await order_store.move(connection, SystemClock(), order, OrderStatus.SUBMITTED, actor="test", attempt=1)
    made.start("account")
    await until(lambda: holder.is_cached(ex_id), PATIENCE, "the first balances")

    async with holder.hand() as hand:
        await hand.order(**BUY, newClientOrderId=order.client_order_id)
    await holder.learns_all(ex_id, "the fill")

    assert {(each["order_id"], each["origin"]) for each in await holder.fills(ex_id)} == {(order.order_id, "platform")}
    assert await made.query("SELECT count(*) FROM orders", database="platform") == [(1,)]


async def test_what_happened_while_it_was_away_is_caught_up_once(made: Stage, holder: Holder) -> None:
    ex_id = await holder.add()
    async with holder.hand() as hand:
        await hand.order(**BUY)
        first = made.start("account")
        await holder.learns_all(ex_id, "the first fill")
        first.kill()
        for _ in range(3):
            await hand.order(**BUY)

    made.start("account")

    await holder.learns_all(ex_id, "the fills it missed")


async def test_a_stream_that_fell_silent_is_found_out_and_opened_anew(made: Stage, holder: Holder) -> None:
    ex_id = await holder.add()
    daemon = made.start("account")
    await until(lambda: daemon.said("stream stands"), PATIENCE, "the stream")
    await switch(made.venue, user_streams={"silent": True})

    async with holder.hand() as hand:
        await hand.order(**BUY)
    await until(lambda: daemon.said("stream owes"), PATIENCE, "the silence found out")
    await switch(made.venue, user_streams=None)
    await until(lambda: daemon.said("resumed", code="stream_silent"), PATIENCE, "the stream again")

    assert await holder.knows(ex_id, await holder.venue_trades())


async def test_fills_are_taken_once_from_a_stream_that_repeats_and_shuffles(made: Stage, holder: Holder) -> None:
    ex_id = await holder.add()
    daemon = made.start("account")
    await until(lambda: daemon.said("stream stands"), PATIENCE, "the stream")
    await switch(made.venue, user_streams={"duplicate": 0.5, "reorder": 0.5, "seed": 7})

    async with holder.hand() as hand:
        for _ in range(10):
            await hand.order(**BUY)

    await holder.learns_all(ex_id, "all fills")


async def test_accounts_come_change_and_go_and_a_bad_one_holds_up_no_other(made: Stage, holder: Holder) -> None:
    wrong = await holder.add("wrong", secret="WrongSecretOfTheTests01")
    daemon = made.start("account")
    await until(lambda: daemon.said("waiting", code="wrong_api_secret"), PATIENCE, "the refusal")

    seen: dict[datetime, ProcessRecord] = {}

    async def heartbeats() -> bool:
        async with made.valkey() as valkey:
            [record] = (await fleet.records(valkey, ["account"]))["account"]
        seen[record.heartbeat] = record
        return len(seen) > 2

    await until(heartbeats, PATIENCE, "heartbeats after the refusal")
    assert {record.status for record in seen.values()} == {ProcessStatus.IDLE}, "a wrong key is its owner's trouble"
    right = await holder.add("right")
    await until(lambda: holder.is_cached(right), PATIENCE, "the new account")
    assert not await holder.is_cached(wrong)
    await holder.change(wrong, secret=SECRET)
    await until(lambda: holder.is_cached(wrong), PATIENCE, "the account with other keys")
    await holder.change(right, active=False)

    async def forgotten() -> bool:
        return not await holder.is_cached(right)

    await until(forgotten, PATIENCE, "the account that is off")
    assert daemon.process.poll() is None
    assert await holder.is_cached(wrong)


async def test_another_takes_over_and_one_that_was_paused_writes_nothing_more(made: Stage, holder: Holder) -> None:
    ex_id = await holder.add()
    first = made.start("account")
    await until(lambda: holder.is_cached(ex_id), PATIENCE, "the first balances")
    second = made.start("account")
    await until(lambda: second.said("waiting for the lease"), PATIENCE, "the second standing by")

    first.process.send_signal(signal.SIGSTOP)
    await until(lambda: second.said("account taken"), PATIENCE, "the second leading")
    async with holder.hand() as hand:
        await hand.order(**BUY)
    first.process.send_signal(signal.SIGCONT)

    await holder.learns_all(ex_id, "the fill, once")
    await until(lambda: first.said("leadership lost"), PATIENCE, "the first giving way")
    assert second.process.poll() is None


async def test_changes_are_published_and_unchanged_balances_are_not(made: Stage, holder: Holder) -> None:
    ex_id = await holder.add()
    async with made.valkey() as valkey:
        feed = valkey.pubsub()
        await feed.subscribe(account_cache.CHANNEL)
        made.start("account")
        heard: list[dict[str, Any]] = []

        async def both() -> bool:
            message = await feed.get_message(ignore_subscribe_messages=True, timeout=1)
            if message:
                heard.append(orjson.loads(message["data"]))
            return {each["channel"] for each in heard} == {"balances", "positions"}

        await until(both, PATIENCE, "the first news")
        before = await holder.cached(ex_id)
        assert before is not None

        async def looked_again() -> bool:
            state = await holder.cached(ex_id)
            return state is not None and state.as_of > before.as_of

        await until(looked_again, PATIENCE, "another look")
        assert await feed.get_message(ignore_subscribe_messages=True, timeout=1) is None

    assert {each["uid"] for each in heard} == {str(holder.uid)}
    assert {each["key"] for each in heard} == {str(ex_id)}
