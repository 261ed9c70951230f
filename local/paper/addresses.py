"""How foreign clients are pointed at the paper venue: addresses and public options, nothing else.

ccxt and ccxt.pro ``binance`` (4.5.90) need, merged into the configuration they are constructed with:

- ``urls.api.public`` and ``private`` (``/api/v3``), ``v1`` (``/api/v1``) and the four ``sapi`` addresses: every REST
  address of the spot side, so that a paper key is never sent elsewhere.
- ``urls.api.ws.spot`` and ``ws.margin``: the stream address. It ends in ``/stream/ws`` because ccxt.pro takes a socket
  for a spot one by finding ``/stream`` in its address (``binance.is_spot_url``; the real one is ``//stream.``). ccxt
  appends ``/0``, ``/1`` … and subscribes by message.
- ``urls.api.ws.ws-api.spot``: requests over a socket, ``/ws-api/v3``.
- ``options.fetchMarkets.types = ["spot"]``: else ``load_markets`` asks the two futures hosts as well.
- ``options.fetchCurrencies = False``: else a client with a key asks for the list of coins each time it loads markets.
- ``options.defaultType = "spot"``: the default, said aloud.

python-binance (1.0.37) needs ``AsyncClient.API_URL`` (``…/api``), ``MARGIN_API_URL`` (``…/sapi``) and ``WS_API_URL``
(``ws://host:port/ws-api/v3``) before a client is made, and ``BinanceSocketManager.STREAM_URL`` (``ws://host:port/``)
before the first socket; its ``AsyncClient.create`` calls ``ping`` and ``time``.
"""

from __future__ import annotations

from typing import Any


def ccxt_overrides(base_url: str) -> dict[str, Any]:
    """What a ccxt or ccxt.pro ``binance`` is constructed with to talk to the venue at ``base_url``.

    Args:
        base_url: ``http://host:port`` without a path.
    """
    base = base_url.rstrip("/")
    sockets = "ws" + base.removeprefix("http")
    return {
        "urls": {
            "api": {
                "public": f"{base}/api/v3",
                "private": f"{base}/api/v3",
                "v1": f"{base}/api/v1",
                "sapi": f"{base}/sapi/v1",
                "sapiV2": f"{base}/sapi/v2",
                "sapiV3": f"{base}/sapi/v3",
                "sapiV4": f"{base}/sapi/v4",
                "ws": {
                    "spot": f"{sockets}/stream/ws",
                    "margin": f"{sockets}/stream/ws",
                    "ws-api": {"spot": f"{sockets}/ws-api/v3"},
                },
            },
        },
        "options": {
            "defaultType": "spot",
            "fetchMarkets": {"types": ["spot"]},
            "fetchCurrencies": False,
        },
    }
