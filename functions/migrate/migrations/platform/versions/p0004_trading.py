"""Exchange accounts, bots, strategies, orders, fills, and what is kept about every mutating call.

Every row of a user carries the user's id, and what belongs together is tied by (id, uid): a row cannot point at
somebody else's.

Revision ID: p0004
"""

from functions.migrate.migrations import script

revision = "p0004"
down_revision: str | None = "p0003"
branch_labels = None
depends_on = None

ACCOUNTS = """
CREATE TABLE exchanges (
    ex_id uuid PRIMARY KEY,
    uid uuid NOT NULL REFERENCES users (uid) ON DELETE CASCADE,
    cat_ex_id integer NOT NULL REFERENCES cat_exchanges (cat_ex_id) ON DELETE RESTRICT,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    test boolean NOT NULL DEFAULT false,
    active boolean NOT NULL DEFAULT true,
    allow_withdraw_keys boolean NOT NULL DEFAULT false,
    key_hint text NOT NULL CHECK (length(key_hint) <= 4),
    sealed bytea NOT NULL,
    data_key bytea NOT NULL,
    master_key_id text NOT NULL,
    validated_at timestamptz,
    permissions jsonb CHECK (jsonb_typeof(permissions) = 'object'),
    problem text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT exchanges_name_unique UNIQUE (uid, cat_ex_id, name),
    UNIQUE (ex_id, uid)
);
COMMENT ON TABLE exchanges IS 'Accounts of users at venues.';
COMMENT ON COLUMN exchanges.sealed IS 'Nonce, AES-256-GCM cipher text and tag of the keys; bound to ex_id and uid.';
COMMENT ON COLUMN exchanges.data_key IS 'The key of sealed, itself sealed by the master key master_key_id.';
COMMENT ON COLUMN exchanges.permissions IS 'What the venue said the keys may do, when they were validated.';
CREATE INDEX exchanges_active ON exchanges (cat_ex_id) WHERE active;

CREATE TABLE exchange_history (
    ex_id uuid NOT NULL REFERENCES exchanges (ex_id) ON DELETE CASCADE,
    at timestamptz NOT NULL,
    currency text NOT NULL,
    free numeric(38, 18) NOT NULL,
    used numeric(38, 18) NOT NULL,
    quote_value numeric(38, 18),
    PRIMARY KEY (ex_id, currency, at)
);
COMMENT ON TABLE exchange_history IS 'Balances over time: a row whenever one changes, and one a day.';
COMMENT ON COLUMN exchange_history.quote_value IS 'Worth in USDT at that time; NULL where no price was known.';
"""

BOTS = """
CREATE TABLE bots (
    bot_id uuid PRIMARY KEY,
    uid uuid NOT NULL REFERENCES users (uid) ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    active boolean NOT NULL DEFAULT false,
    dry_run boolean NOT NULL DEFAULT true,
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    active_since timestamptz,
    CONSTRAINT bots_name_unique UNIQUE (uid, name),
    UNIQUE (bot_id, uid)
);
CREATE TABLE bot_exchanges (
    bot_id uuid NOT NULL,
    ex_id uuid NOT NULL,
    uid uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (bot_id, ex_id),
    FOREIGN KEY (bot_id, uid) REFERENCES bots (bot_id, uid) ON DELETE CASCADE,
    FOREIGN KEY (ex_id, uid) REFERENCES exchanges (ex_id, uid) ON DELETE CASCADE
);
CREATE INDEX bot_exchanges_of_exchange ON bot_exchanges (ex_id);
CREATE TABLE bot_leases (
    ex_id uuid NOT NULL REFERENCES exchanges (ex_id) ON DELETE CASCADE,
    symbol text NOT NULL,
    fence bigint NOT NULL CHECK (fence >= 1),
    PRIMARY KEY (ex_id, symbol)
);
COMMENT ON TABLE bot_leases IS 'The highest fence ever given out for an account and a symbol; the lease itself is in Valkey.';

CREATE TABLE cat_strategies (
    cat_str_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name ~ '^[a-z0-9_]{1,60}$'),
    title text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    builtin boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT cat_strategies_name_unique UNIQUE (name)
);
CREATE TABLE cat_strategy_params (
    cat_str_id integer NOT NULL REFERENCES cat_strategies (cat_str_id) ON DELETE CASCADE,
    name text NOT NULL CHECK (name ~ '^[a-z0-9_]{1,60}$'),
    position integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('integer', 'number', 'text', 'boolean')),
    default_value text NOT NULL,
    minimum numeric(38, 18),
    maximum numeric(38, 18),
    choices text[],
    description text NOT NULL DEFAULT '',
    PRIMARY KEY (cat_str_id, name)
);
CREATE TABLE strategies (
    str_id uuid PRIMARY KEY,
    uid uuid NOT NULL,
    bot_id uuid NOT NULL,
    cat_str_id integer NOT NULL REFERENCES cat_strategies (cat_str_id) ON DELETE RESTRICT,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    active boolean NOT NULL DEFAULT true,
    take_profit numeric(38, 18) CHECK (take_profit > 0),
    stop_loss numeric(38, 18) CHECK (stop_loss > 0),
    trailing_stop numeric(38, 18) CHECK (trailing_stop > 0),
    timeout interval CHECK (timeout > interval '0'),
    leverage numeric(38, 18) NOT NULL DEFAULT 1 CHECK (leverage BETWEEN 1 AND 125),
    size numeric(38, 18) CHECK (size > 0),
    size_pct numeric(38, 18) CHECK (size_pct > 0 AND size_pct <= 100),
    size_currency text NOT NULL DEFAULT 'USDT',
    pre_load_bars integer NOT NULL DEFAULT 200 CHECK (pre_load_bars BETWEEN 0 AND 10000),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    FOREIGN KEY (bot_id, uid) REFERENCES bots (bot_id, uid) ON DELETE CASCADE,
    CONSTRAINT strategies_name_unique UNIQUE (bot_id, name),
    UNIQUE (str_id, uid)
);
COMMENT ON COLUMN strategies.take_profit IS 'Percent of the entry price; stop_loss and trailing_stop too.';
CREATE INDEX strategies_of_user ON strategies (uid);
CREATE TABLE strategy_params (
    str_id uuid NOT NULL REFERENCES strategies (str_id) ON DELETE CASCADE,
    name text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (str_id, name)
);
CREATE TABLE feeds (
    feed_id uuid PRIMARY KEY,
    uid uuid NOT NULL,
    str_id uuid NOT NULL,
    symbol_id integer NOT NULL REFERENCES symbols (symbol_id) ON DELETE RESTRICT,
    ex_id uuid,
    period text NOT NULL CHECK (period IN ('minutes', 'hours', 'days', 'weeks', 'months', 'ticks')),
    compression integer NOT NULL CHECK (compression BETWEEN 1 AND 10000),
    position integer NOT NULL CHECK (position >= 0),
    FOREIGN KEY (str_id, uid) REFERENCES strategies (str_id, uid) ON DELETE CASCADE,
    FOREIGN KEY (ex_id, uid) REFERENCES exchanges (ex_id, uid) ON DELETE CASCADE,
    CONSTRAINT feeds_position_unique UNIQUE (str_id, position)
);
CREATE TABLE bot_log (
    log_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid uuid NOT NULL,
    bot_id uuid NOT NULL,
    at timestamptz NOT NULL,
    level text NOT NULL CHECK (level IN ('debug', 'info', 'warning', 'error')),
    action text NOT NULL CHECK (length(action) BETWEEN 1 AND 100),
    feed text,
    position text,
    message text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    FOREIGN KEY (bot_id, uid) REFERENCES bots (bot_id, uid) ON DELETE CASCADE
);
CREATE INDEX bot_log_of_bot ON bot_log (bot_id, log_id DESC);
CREATE TABLE simulations (
    sim_id uuid PRIMARY KEY,
    uid uuid NOT NULL,
    bot_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    window_from timestamptz NOT NULL,
    window_until timestamptz NOT NULL CHECK (window_until > window_from),
    settings jsonb NOT NULL,
    result jsonb NOT NULL,
    FOREIGN KEY (bot_id, uid) REFERENCES bots (bot_id, uid) ON DELETE CASCADE
);
CREATE INDEX simulations_of_bot ON simulations (bot_id, created_at DESC);
"""

ORDERS = """
CREATE TABLE orders (
    order_id uuid PRIMARY KEY,
    uid uuid NOT NULL REFERENCES users (uid) ON DELETE CASCADE,
    ex_id uuid NOT NULL,
    bot_id uuid,
    symbol_id integer NOT NULL REFERENCES symbols (symbol_id) ON DELETE RESTRICT,
    symbol text NOT NULL,
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    order_type text NOT NULL CHECK (order_type IN ('market', 'limit', 'stop', 'stop_limit')),
    volume numeric(38, 18) NOT NULL CHECK (volume > 0),
    price numeric(38, 18) CHECK (price > 0),
    stop_price numeric(38, 18) CHECK (stop_price > 0),
    leverage numeric(38, 18) NOT NULL DEFAULT 1 CHECK (leverage >= 1),
    purpose text NOT NULL DEFAULT 'manual' CHECK (length(purpose) BETWEEN 1 AND 60),
    origin text NOT NULL DEFAULT 'platform' CHECK (origin IN ('platform', 'external')),
    dry_run boolean NOT NULL DEFAULT false,
    client_order_id text NOT NULL CHECK (length(client_order_id) BETWEEN 1 AND 64),
    reference text CHECK (length(reference) <= 64),
    venue_order_id text,
    status text NOT NULL CHECK (status IN (
        'new', 'submitted', 'open', 'partially_filled', 'filled', 'canceled', 'rejected', 'expired', 'unknown'
    )),
    reason text,
    cancel_requested_at timestamptz,
    filled numeric(38, 18) NOT NULL DEFAULT 0 CHECK (filled >= 0),
    cost numeric(38, 18) NOT NULL DEFAULT 0 CHECK (cost >= 0),
    attempt integer NOT NULL DEFAULT 0,
    fence bigint,
    sent_at timestamptz,
    look_after timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    FOREIGN KEY (ex_id, uid) REFERENCES exchanges (ex_id, uid) ON DELETE CASCADE,
    FOREIGN KEY (bot_id, uid) REFERENCES bots (bot_id, uid) ON DELETE SET NULL (bot_id),
    CONSTRAINT orders_client_id_unique UNIQUE (ex_id, client_order_id),
    CONSTRAINT orders_limit_has_price CHECK ((order_type IN ('limit', 'stop_limit')) = (price IS NOT NULL)),
    CONSTRAINT orders_stop_has_price CHECK ((order_type IN ('stop', 'stop_limit')) = (stop_price IS NOT NULL)),
    UNIQUE (order_id, uid)
);
COMMENT ON COLUMN orders.client_order_id IS 'What the venue knows it by; written before it is sent, never used for another order.';
COMMENT ON COLUMN orders.reference IS 'The client_order_id that the caller gave.';
COMMENT ON COLUMN orders.fence IS 'That of the leader that sent it; an older one may not touch it any more.';
COMMENT ON COLUMN orders.look_after IS 'When the venue is to be asked for an order of unknown fate.';
CREATE UNIQUE INDEX orders_venue_id_unique ON orders (ex_id, symbol, venue_order_id) WHERE venue_order_id IS NOT NULL;
CREATE UNIQUE INDEX orders_reference_unique ON orders (ex_id, reference) WHERE reference IS NOT NULL;
CREATE INDEX orders_of_user ON orders (uid, created_at DESC, order_id DESC);
CREATE INDEX orders_of_bot ON orders (bot_id, created_at DESC) WHERE bot_id IS NOT NULL;
CREATE INDEX orders_alive ON orders (ex_id, created_at)
    WHERE status IN ('new', 'submitted', 'open', 'partially_filled', 'unknown');
CREATE INDEX orders_changed ON orders (ex_id, updated_at DESC) WHERE NOT dry_run;
CREATE TABLE order_events (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES orders (order_id) ON DELETE CASCADE,
    at timestamptz NOT NULL,
    status text NOT NULL,
    actor text NOT NULL,
    message text NOT NULL DEFAULT ''
);
CREATE INDEX order_events_of_order ON order_events (order_id, event_id);

CREATE TABLE fills (
    fill_id uuid PRIMARY KEY,
    uid uuid NOT NULL REFERENCES users (uid) ON DELETE CASCADE,
    ex_id uuid NOT NULL,
    order_id uuid,
    bot_id uuid,
    symbol_id integer NOT NULL REFERENCES symbols (symbol_id) ON DELETE RESTRICT,
    symbol text NOT NULL,
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    source text NOT NULL CHECK (source IN ('venue', 'dry', 'manual')),
    venue_trade_id text NOT NULL,
    venue_order_id text,
    price numeric(38, 18) NOT NULL CHECK (price > 0),
    volume numeric(38, 18) NOT NULL CHECK (volume > 0),
    fee numeric(38, 18) NOT NULL DEFAULT 0,
    fee_currency text NOT NULL,
    fee_quote numeric(38, 18),
    maker boolean,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    FOREIGN KEY (ex_id, uid) REFERENCES exchanges (ex_id, uid) ON DELETE CASCADE,
    FOREIGN KEY (order_id, uid) REFERENCES orders (order_id, uid) ON DELETE SET NULL (order_id),
    FOREIGN KEY (bot_id, uid) REFERENCES bots (bot_id, uid) ON DELETE SET NULL (bot_id),
    CONSTRAINT fills_venue_trade_unique UNIQUE (ex_id, symbol, venue_trade_id)
);
COMMENT ON COLUMN fills.fee_quote IS 'The fee in the quote currency at the time of the fill; NULL where no price was known.';
CREATE INDEX fills_of_user ON fills (uid, at DESC, fill_id DESC);
CREATE INDEX fills_of_position ON fills (ex_id, symbol, at, fill_id);
CREATE INDEX fills_of_bot ON fills (bot_id, at DESC) WHERE bot_id IS NOT NULL;
CREATE INDEX fills_of_order ON fills (order_id) WHERE order_id IS NOT NULL;

CREATE TABLE trades (
    trade_id uuid PRIMARY KEY,
    uid uuid NOT NULL,
    ex_id uuid NOT NULL,
    bot_id uuid,
    symbol text NOT NULL,
    dry_run boolean NOT NULL,
    side text NOT NULL CHECK (side IN ('long', 'short')),
    volume numeric(38, 18) NOT NULL CHECK (volume > 0),
    entry_price numeric(38, 18) NOT NULL,
    exit_price numeric(38, 18) NOT NULL,
    entry_fee numeric(38, 18) NOT NULL,
    exit_fee numeric(38, 18) NOT NULL,
    pnl numeric(38, 18) NOT NULL,
    roi numeric NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz NOT NULL,
    entry_fill uuid NOT NULL REFERENCES fills (fill_id) ON DELETE CASCADE,
    exit_fill uuid NOT NULL REFERENCES fills (fill_id) ON DELETE CASCADE,
    FOREIGN KEY (ex_id, uid) REFERENCES exchanges (ex_id, uid) ON DELETE CASCADE
);
COMMENT ON TABLE trades IS 'Closed lots, first in first out over fills; fees and profit in the quote currency. Computed, never entered.';
CREATE INDEX trades_of_user ON trades (uid, closed_at DESC, trade_id DESC);
CREATE INDEX trades_of_bot ON trades (bot_id, closed_at DESC) WHERE bot_id IS NOT NULL;
CREATE INDEX trades_of_position ON trades (ex_id, symbol, dry_run, closed_at);
CREATE INDEX trades_of_entry ON trades (entry_fill);
CREATE INDEX trades_of_exit ON trades (exit_fill);
CREATE TABLE open_lots (
    lot_id uuid PRIMARY KEY REFERENCES fills (fill_id) ON DELETE CASCADE,
    uid uuid NOT NULL,
    ex_id uuid NOT NULL,
    bot_id uuid,
    symbol text NOT NULL,
    dry_run boolean NOT NULL,
    side text NOT NULL CHECK (side IN ('long', 'short')),
    volume numeric(38, 18) NOT NULL CHECK (volume > 0),
    price numeric(38, 18) NOT NULL,
    fee numeric(38, 18) NOT NULL,
    opened_at timestamptz NOT NULL,
    FOREIGN KEY (ex_id, uid) REFERENCES exchanges (ex_id, uid) ON DELETE CASCADE
);
COMMENT ON COLUMN open_lots.fee IS 'In the quote currency, for the volume that is left.';
CREATE INDEX open_lots_of_position ON open_lots (ex_id, symbol, dry_run, opened_at, lot_id);
"""

CALLS = """
CREATE TABLE idempotency_keys (
    uid uuid NOT NULL REFERENCES users (uid) ON DELETE CASCADE,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    operation text NOT NULL,
    request_hash bytea NOT NULL,
    claim uuid NOT NULL,
    took_effect boolean NOT NULL DEFAULT false,
    status integer,
    headers jsonb,
    body bytea,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (uid, key)
);
COMMENT ON COLUMN idempotency_keys.key IS 'SHA-256 of what the client sent, in hex.';
COMMENT ON COLUMN idempotency_keys.claim IS 'Tells the call that executes from one whose time was over.';
COMMENT ON COLUMN idempotency_keys.took_effect IS 'Set in the transaction of the change.';
COMMENT ON COLUMN idempotency_keys.body IS 'NULL when the answer is shown once.';
COMMENT ON COLUMN idempotency_keys.status IS 'NULL while the first call is under way.';
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
CREATE TABLE outbox (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    uid uuid NOT NULL,
    channel text NOT NULL,
    key text NOT NULL,
    data jsonb NOT NULL
);
COMMENT ON TABLE outbox IS 'Changes of records that subscribers are told of; written in the transaction of the change.';
"""


def upgrade() -> None:
    for block in (ACCOUNTS, BOTS, ORDERS, CALLS):
        script.run(block)


def downgrade() -> None:
    script.run(
        "DROP TABLE outbox, idempotency_keys, open_lots, trades, fills, order_events, orders, simulations, bot_log, feeds,"
        " strategy_params, strategies, cat_strategy_params, cat_strategies, bot_leases, bot_exchanges, bots,"
        " exchange_history, exchanges"
    )
