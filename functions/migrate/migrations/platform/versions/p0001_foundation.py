"""Users, credentials, venues, daemons, audit and WebSocket connections.

Revision ID: p0001
"""

from functions.migrate.migrations import script

revision = "p0001"
down_revision: str | None = None
branch_labels = None
depends_on = None

IDENTITY = """
CREATE TABLE users (
    uid uuid PRIMARY KEY,
    mail text NOT NULL CHECK (mail = lower(mail) AND length(mail) BETWEEN 3 AND 254),
    password_hash text NOT NULL,
    name text NOT NULL DEFAULT '',
    lastname text NOT NULL DEFAULT '',
    phone text NOT NULL DEFAULT '',
    id_num text NOT NULL DEFAULT '',
    role text NOT NULL CHECK (role IN ('admin', 'trader', 'viewer')),
    active boolean NOT NULL DEFAULT true,
    manager_uid uuid REFERENCES users (uid) ON DELETE SET NULL,
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT users_mail_unique UNIQUE (mail)
);
CREATE TABLE sessions (
    sid uuid PRIMARY KEY,
    uid uuid NOT NULL REFERENCES users (uid) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_reason text NOT NULL DEFAULT '',
    user_agent text NOT NULL DEFAULT '',
    address text NOT NULL DEFAULT ''
);
CREATE INDEX sessions_of_user ON sessions (uid) WHERE revoked_at IS NULL;
CREATE TABLE refresh_tokens (
    hash bytea PRIMARY KEY,
    sid uuid NOT NULL REFERENCES sessions (sid) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    spent_at timestamptz
);
CREATE INDEX refresh_tokens_of_session ON refresh_tokens (sid);
CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    uid uuid NOT NULL REFERENCES users (uid) ON DELETE CASCADE,
    prefix text NOT NULL,
    hash bytea NOT NULL,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    scopes text[] NOT NULL CHECK (scopes <@ ARRAY['read', 'trade', 'admin'] AND cardinality(scopes) > 0),
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    CONSTRAINT api_keys_prefix_unique UNIQUE (prefix)
);
CREATE INDEX api_keys_of_user ON api_keys (uid);
CREATE TABLE login_failures (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account bytea NOT NULL,
    address text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX login_failures_of_account ON login_failures (account, at);
CREATE INDEX login_failures_of_address ON login_failures (address, at);
CREATE TABLE ws_tickets (
    hash bytea PRIMARY KEY,
    context jsonb NOT NULL,
    expires_at timestamptz NOT NULL
);
"""

VENUES = """
CREATE TABLE cat_exchanges (
    cat_ex_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name = lower(name) AND name ~ '^[a-z0-9_-]{1,40}$'),
    ccxt_id text NOT NULL,
    title text NOT NULL DEFAULT '',
    active boolean NOT NULL DEFAULT true,
    paper boolean NOT NULL DEFAULT false,
    params jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT cat_exchanges_name_unique UNIQUE (name)
);
CREATE TABLE symbols (
    symbol_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cat_ex_id integer NOT NULL REFERENCES cat_exchanges (cat_ex_id) ON DELETE CASCADE,
    symbol text NOT NULL CHECK (length(symbol) BETWEEN 1 AND 64),
    base text NOT NULL,
    quote text NOT NULL,
    settle text,
    futures boolean NOT NULL DEFAULT false,
    price_decimals integer CHECK (price_decimals BETWEEN 0 AND 18),
    quantity_decimals integer CHECK (quantity_decimals BETWEEN 0 AND 18),
    tick_size numeric(38, 18) CHECK (tick_size > 0),
    step_size numeric(38, 18) CHECK (step_size > 0),
    min_quantity numeric(38, 18) CHECK (min_quantity >= 0),
    min_notional numeric(38, 18) CHECK (min_notional >= 0),
    updateframe text NOT NULL DEFAULT '1m',
    backtest integer NOT NULL DEFAULT 30 CHECK (backtest BETWEEN 0 AND 3650),
    only_ticker boolean NOT NULL DEFAULT false,
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT symbols_exchange_symbol_unique UNIQUE (cat_ex_id, symbol)
);
COMMENT ON COLUMN symbols.backtest IS 'Days of history to load when none is stored.';
"""

FLEET = """
CREATE TABLE leases (
    name        text        PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 200),
    holder      text        CHECK (length(holder) BETWEEN 1 AND 200),
    fence       bigint      NOT NULL CHECK (fence >= 1),
    acquired_at timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL
);
COMMENT ON COLUMN leases.holder IS 'NULL: released.';
COMMENT ON COLUMN leases.fence IS 'Grows with every change of hands, never back.';
COMMENT ON TABLE leases IS 'Who leads a shard, by the clock of this database; a write with an old fence is refused.';

CREATE TABLE process_events (
    event_id bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL,
    name     text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    instance text        NOT NULL CHECK (length(instance) BETWEEN 1 AND 200),
    status   text        NOT NULL CHECK (status IN ('starting', 'running', 'idle', 'error', 'stopped')),
    message  text        NOT NULL DEFAULT '',
    version  text        NOT NULL,
    host     text        NOT NULL
);
CREATE INDEX process_events_name_at ON process_events (name, at DESC, event_id DESC);
COMMENT ON TABLE process_events IS 'Changes of status of daemon instances; the present record is in Valkey';

CREATE TABLE service_wants (
    name       text        PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 100),
    desired    smallint    NOT NULL CHECK (desired BETWEEN 0 AND 10),
    changed_by text        NOT NULL,
    changed_at timestamptz NOT NULL
);
COMMENT ON TABLE service_wants IS 'How many tasks of a daemon an admin last asked for';

CREATE TABLE audit (
    sequence      bigint      PRIMARY KEY CHECK (sequence >= 1),
    at            timestamptz NOT NULL,
    actor         text        NOT NULL CHECK (length(actor) BETWEEN 1 AND 200),
    action        text        NOT NULL CHECK (length(action) BETWEEN 1 AND 100),
    subject       text        NOT NULL CHECK (length(subject) <= 500),
    details       jsonb       NOT NULL CHECK (jsonb_typeof(details) = 'object'),
    previous_hash bytea       NOT NULL UNIQUE CHECK (octet_length(previous_hash) = 32),
    hash          bytea       NOT NULL UNIQUE CHECK (octet_length(hash) = 32)
);
CREATE INDEX audit_subject ON audit (subject, sequence DESC);
CREATE INDEX audit_actor ON audit (actor, sequence DESC);
COMMENT ON TABLE audit IS 'Hash-chained trail: each entry carries its own SHA-256 and that of the one before.';

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
"""

STREAMS = """
CREATE TABLE ws_connections (
    connection_id text PRIMARY KEY,
    uid uuid NOT NULL REFERENCES users (uid) ON DELETE CASCADE,
    identity jsonb NOT NULL,
    kind text NOT NULL CHECK (kind IN ('jwt', 'api_key')),
    session uuid NOT NULL,
    connected_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revision bigint NOT NULL DEFAULT 0,
    closing text
);
COMMENT ON COLUMN ws_connections.revision IS 'Grows with every change of its subscriptions; the streamer compares it.';
COMMENT ON COLUMN ws_connections.closing IS 'Why the streamer is to say goodbye and close it.';
CREATE INDEX ws_connections_of_user ON ws_connections (uid);
CREATE INDEX ws_connections_of_session ON ws_connections (session);
CREATE TABLE ws_subscriptions (
    connection_id text NOT NULL REFERENCES ws_connections (connection_id) ON DELETE CASCADE,
    channel text NOT NULL,
    key text NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (connection_id, channel, key)
);
COMMENT ON COLUMN ws_subscriptions.revision IS 'That of the connection when it was last asked for; a new one starts over.';
"""


def upgrade() -> None:
    for block in (IDENTITY, VENUES, FLEET, STREAMS):
        script.run(block)


def downgrade() -> None:
    script.run(
        "DROP TABLE ws_subscriptions, ws_connections, audit, service_wants, process_events, leases, symbols,"
        " cat_exchanges, ws_tickets, login_failures, api_keys, refresh_tokens, sessions, users;"
        "DROP FUNCTION audit_is_append_only"
    )
