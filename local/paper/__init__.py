"""The paper venue: one process that speaks Binance's spot protocol over a market that is the same everywhere.

``python -m local.paper --port P`` serves REST and WebSocket on one loopback port. Nothing of the market in it is
random at run time: a bar is a pure function of symbol and minute, the trades inside it of the bar, the running bar of
the trades up to now. So candles, streams and prints agree exactly, today and after a restart.

The files, from the inside out: ``market`` (symbols and filters), ``history`` (minutes), ``prints`` (trades inside a
minute), ``klines`` (bars of every interval), ``book`` (quotes around the last price), ``clock``; ``exchange`` puts
them together; ``trading`` keeps accounts and orders; ``rest``, ``feeds`` and ``socket_api`` translate, ``dispatch``
stands between them and the doors; ``weights`` and ``faults`` misbehave like a venue does. See ``docs/paper-venue.md``.
"""
