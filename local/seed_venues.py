"""The catalogue of a new installation: the paper venue with its symbols in use, real venues known but switched off."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson

from fullon.venues import store
from fullon.venues.known import KNOWN, put_known
from fullon.venues.model import Venue
from local.paper.addresses import ccxt_overrides
from local.paper.market import SYMBOLS

#: Days of history that the collectors load: all that the paper venue has.
BACKTEST_DAYS = 30


async def seed(connection: store.Connection) -> dict[str, int]:
    """Sow the catalogue; what is there already keeps its switches. Returns how many venues and symbols there are."""
    paper = Venue(0, "paper", "binance", "Paper venue", active=True, paper=True, params=paper_params())
    paper_id = await store.put_venue(connection, paper)
    await put_known(connection)
    known = {symbol.symbol for symbol in await store.symbols_of(connection, paper_id)}
    for each in SYMBOLS:
        name = f"{each.base}/{each.quote}"
        if name not in known:
            await store.add_symbol(
                connection,
                paper_id,
                {
                    "symbol": name,
                    "base": each.base,
                    "quote": each.quote,
                    "price_decimals": each.price_decimals,
                    "quantity_decimals": each.quantity_decimals,
                    "tick_size": Decimal(1).scaleb(-each.price_decimals),
                    "step_size": Decimal(1).scaleb(-each.quantity_decimals),
                    "min_quantity": Decimal(1).scaleb(-each.quantity_decimals),
                    "min_notional": Decimal(each.minimum_notional),
                    "backtest": BACKTEST_DAYS,
                },
            )
    return {"venues": 1 + len(KNOWN), "symbols": len(SYMBOLS)}


def paper_params() -> dict[str, Any]:
    """How ccxt is pointed at the paper venue, with its address left to the settings (``EXCHANGE_URL_PAPER``)."""
    text = orjson.dumps(ccxt_overrides("http://address")).decode()
    params: dict[str, Any] = orjson.loads(text.replace("http://address", "{http}").replace("ws://address", "{ws}"))
    return {**params, "streams": "binance"}
