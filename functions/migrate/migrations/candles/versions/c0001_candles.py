"""Series, one-minute candles with exact hourly and daily rollups, public trades.

Candles and trades are partitioned by month of their time; the collector makes a partition when it first writes into it.

Revision ID: c0001
"""

from functions.migrate.migrations import script

revision = "c0001"
down_revision: str | None = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE series (
    series_id integer PRIMARY KEY,
    exchange text NOT NULL,
    symbol text NOT NULL,
    base text NOT NULL,
    quote text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    verified_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT series_exchange_symbol_unique UNIQUE (exchange, symbol)
);
COMMENT ON COLUMN series.series_id IS 'symbols.symbol_id of the platform database.';
COMMENT ON COLUMN series.verified_until IS 'Minutes before this were read from the venue after they had closed.';
CREATE TABLE writers (
    name text PRIMARY KEY,
    fence bigint NOT NULL
);
COMMENT ON TABLE writers IS 'The newest leader of each collector, by its lease''s fence; what an older one writes is refused.';
CREATE TABLE candles (
    series_id integer NOT NULL REFERENCES series (series_id) ON DELETE CASCADE,
    ts timestamptz NOT NULL CHECK (date_trunc('minute', ts, 'UTC') = ts),
    open float8 NOT NULL,
    high float8 NOT NULL,
    low float8 NOT NULL,
    close float8 NOT NULL,
    volume float8 NOT NULL,
    PRIMARY KEY (series_id, ts)
) PARTITION BY RANGE (ts);
CREATE TABLE candles_1h (
    series_id integer NOT NULL REFERENCES series (series_id) ON DELETE CASCADE,
    ts timestamptz NOT NULL,
    open float8 NOT NULL,
    high float8 NOT NULL,
    low float8 NOT NULL,
    close float8 NOT NULL,
    volume float8 NOT NULL,
    minutes integer NOT NULL,
    PRIMARY KEY (series_id, ts)
);
CREATE TABLE candles_1d (LIKE candles_1h INCLUDING ALL);
ALTER TABLE candles_1d ADD FOREIGN KEY (series_id) REFERENCES series (series_id) ON DELETE CASCADE;
ALTER TABLE candles_1h ADD COLUMN packed bytea;
ALTER TABLE candles_1h ALTER COLUMN packed SET STORAGE EXTERNAL;
COMMENT ON COLUMN candles_1h.packed IS 'The sixty minutes of a complete hour in 48 bytes each, see fullon.market.packed.';
CREATE TABLE trades (
    series_id integer NOT NULL REFERENCES series (series_id) ON DELETE CASCADE,
    ts timestamptz NOT NULL,
    trade_id text NOT NULL,
    ordinal bigint NOT NULL,
    price numeric(38, 18) NOT NULL,
    amount numeric(38, 18) NOT NULL,
    side text CHECK (side IN ('buy', 'sell')),
    PRIMARY KEY (series_id, ts, trade_id)
) PARTITION BY RANGE (ts);
COMMENT ON COLUMN trades.ordinal IS 'Order among trades of the same time: the venue''s own id where it is a number.';
"""


def upgrade() -> None:
    script.run(TABLES)


def downgrade() -> None:
    script.run("DROP TABLE trades, candles_1d, candles_1h, candles, writers, series")
