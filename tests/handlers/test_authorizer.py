"""The authorizer as Lambda calls it: recorded events, real stores, and each event twice in one warm process."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import jwt
import pytest

from fullon.identity import api_keys, sessions, tickets, users
from fullon.identity.model import Identity, Kind, Role, Scope
from fullon.kernel.clock import ManualClock
from fullon.runtime import aws_lambda
from fullon.runtime import logging as runtime_logging
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from tests.api.callers import stored_identity
from tests.identities import candles_database, without_postgres, without_stores, without_valkey  # noqa: F401 - a fixture

Result = TypeVar("Result")
Handler = Callable[[Any, Any], Any]
EVENTS = Path(__file__).parents[3] / "shared" / "data" / "aws-events"
CONTEXT = {"user_id", "mail", "role", "kind", "session", "scopes", "expires_at"}

pytestmark = pytest.mark.skipif(not EVENTS.is_dir(), reason="the recorded AWS events are not beside this checkout")


def recorded(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / name).read_text())
    return event


def http_event(**headers: str) -> dict[str, Any]:
    """The recorded authorizer event of an HTTP API (payload 2.0) with other headers."""
    return {**recorded("apiGatewayAuthorizerV2Event.json"), "headers": headers, "identitySource": []}


def socket_event(query: dict[str, str] | None = None, **headers: str) -> dict[str, Any]:
    """The recorded `$connect` authorizer event of a WebSocket API with another query and other headers."""
    event = recorded("apiGatewayAuthorizerWebSocketEvent.json")
    headers = {**{name: value for name, value in event["headers"].items() if name != "Authorization"}, **headers}
    return {**event, "queryStringParameters": query or {}, "headers": headers}


@dataclass
class Lambda:
    """A warm execution environment, and what prepares its stores; both live on the environment's own loop."""

    handler: Handler
    container: Container

    def twice(self, event: dict[str, Any]) -> Any:
        """The answer, which is the same when the environment is used again."""
        first, second = (self.handler(event, None) for _ in range(2))
        assert first == second
        return first

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do something asynchronous with the container."""
        return aws_lambda.event_loop().run_until_complete(work)

    def token(self, identity: Identity) -> str:
        """An access token of a session."""
        return self.container.tokens.sign(identity.user_id, identity.mail, identity.role, identity.session)

    def session(self, role: Role = Role.TRADER) -> Identity:
        """A user with a session."""
        return self.run(stored_identity(self.container, role))

    def key(self, owner: Identity, *scopes: Scope, **options: Any) -> api_keys.NewKey:
        """A key of `owner`."""

        async def make() -> api_keys.NewKey:
            async with self.container.transaction() as connection:
                return await api_keys.create(
                    connection,
                    self.container.clock,
                    uid=owner.user_id,
                    name="key",
                    scopes=frozenset(scopes or {Scope.READ}),
                    **options,
                )

        return self.run(make())

    def revoke(self, identity: Identity) -> None:
        """End a session."""

        async def end() -> None:
            async with self.container.transaction() as connection:
                change = await sessions.revoke(connection, self.container.clock, [identity.session], "test")
            await self.container.principals.announce(change)

        self.run(end())

    def deactivate(self, identity: Identity) -> None:
        """Switch a user off."""

        async def switch() -> None:
            async with self.container.transaction() as connection:
                _, change = await users.change(connection, self.container.clock, identity.user_id, {"active": False})
            await self.container.principals.announce(change)

        self.run(switch())

    def ticket(self, identity: Identity) -> str:
        """A ticket for the socket."""

        async def issue() -> str:
            async with self.container.connection() as connection:
                return await tickets.issue(connection, self.container.clock, identity)

        return self.run(issue())


@pytest.fixture
def environment(settings: Settings) -> Iterator[Lambda]:
    """The deployed module, imported as a cold start would; the log of the tests is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    sys.modules.pop("functions.authorizer.handler", None)
    module = importlib.import_module("functions.authorizer.handler")
    container = Container(settings)
    warm = Lambda(module.handler, container)
    yield warm
    warm.run(container.close())
    warm.run(module.container.close())
    asyncio.set_event_loop(None)
    sys.modules.pop("functions.authorizer.handler", None)
    root.handlers[:], root.level = handlers, level


def on(environment: Lambda, container: Container) -> Handler:
    """The same authorizer over other stores."""
    from functions.authorizer.app import create

    return aws_lambda.plain_handler(create(container))


def test_the_recorded_events_as_they_are_carry_no_credential_of_ours(environment: Lambda) -> None:
    assert environment.twice(recorded("apiGatewayAuthorizerV2Event.json")) == {"isAuthorized": False, "context": {}}
    for _ in range(2):
        with pytest.raises(Exception, match=r"^Unauthorized$"):
            environment.handler(recorded("apiGatewayAuthorizerWebSocketEvent.json"), None)


def test_a_token_is_let_in_with_its_identity_in_flat_strings(environment: Lambda) -> None:
    session = environment.session()
    token = environment.token(session)

    for headers in ({"authorization": f"Bearer {token}"}, {"Authorization": f"bearer  {token} "}):
        answer = environment.twice(http_event(**headers))

        assert answer["isAuthorized"] is True
        context = answer["context"]
        assert context.keys() == CONTEXT
        assert all(isinstance(value, str) for value in context.values())
        identity = Identity.from_context(context)
        assert (identity.user_id, identity.session, identity.kind) == (session.user_id, session.session, Kind.JWT)
        assert identity.scopes == {Scope.READ, Scope.TRADE}


def test_a_key_is_let_in_by_either_header_with_the_scopes_it_has_now(environment: Lambda) -> None:
    owner = environment.session()
    new = environment.key(owner, Scope.READ)

    for headers in ({"authorization": f"Bearer {new.key}"}, {"x-api-key": new.key}, {"X-API-Key": new.key}):
        answer = environment.twice(http_event(**headers))

        identity = Identity.from_context(answer["context"])
        assert (identity.user_id, identity.session, identity.kind) == (owner.user_id, new.record.id, Kind.API_KEY)
        assert identity.scopes == {Scope.READ}


def test_whoever_is_not_who_they_say_is_refused(environment: Lambda) -> None:
    session = environment.session()
    token = environment.token(session)
    key = environment.key(session).key
    claims = jwt.decode(token, options={"verify_signature": False})
    head, body, signature = token.split(".")
    stranger = replace(session, user_id=uuid4(), session=uuid4())
    late = Container(environment.container.settings, ManualClock(datetime.now(UTC) - timedelta(hours=1)))

    refused = {
        "empty": "",
        "tampered signature": f"{head}.{body}.{'A' * len(signature)}",
        "tampered body": f"{head}.{body[:-4]}AAAA.{signature}",
        "no algorithm": jwt.encode(claims, "", algorithm="none", headers={"kid": "1"}),
        "another key": jwt.encode(claims, "another secret of more than 32 bytes!", headers={"kid": "1"}),
        "expired": late.tokens.sign(session.user_id, session.mail, session.role, session.session),
        "a session nobody opened": environment.token(stranger),
        "another secret": f"{key[:-4]}AAAA",
        "another prefix": key.replace(key[3:15], "0123456789ab"),
        "half a key": key[:15],
        "a key of nothing": "fo__",
        "a key that is no text": "fo_é_é",
        "garbage": "\x00" * 20,
    }
    for what, credential in refused.items():
        answer = environment.twice(http_event(authorization=f"Bearer {credential}"))
        assert answer == {"isAuthorized": False, "context": {}}, what
        with pytest.raises(Exception, match=r"^Unauthorized$"):
            environment.handler(socket_event({"token": credential}), None)
    for scheme in ("Basic ", "", "Token "):
        assert environment.twice(http_event(authorization=f"{scheme}{token}"))["isAuthorized"] is False


def test_a_revoked_session_and_a_deactivated_user_are_refused_in_a_warm_process(environment: Lambda) -> None:
    ended, gone = environment.session(), environment.session()
    key = environment.key(gone).key
    for credential in (environment.token(ended), environment.token(gone), key):
        assert environment.twice(http_event(authorization=f"Bearer {credential}"))["isAuthorized"] is True

    environment.revoke(ended)
    environment.deactivate(gone)

    for credential in (environment.token(ended), environment.token(gone), key):
        assert environment.twice(http_event(authorization=f"Bearer {credential}"))["isAuthorized"] is False


def test_a_key_that_ended_is_refused(environment: Lambda) -> None:
    owner = environment.session()
    new = environment.key(owner, expires_at=datetime.now(UTC) + timedelta(hours=1))
    event = http_event(authorization=f"Bearer {new.key}")
    assert environment.twice(event)["isAuthorized"] is True

    async def bring_forward() -> None:
        async with environment.container.transaction() as connection:
            await connection.execute("UPDATE api_keys SET expires_at = now() - interval '1 second'")
        await environment.container.valkey.flushall()

    environment.run(bring_forward())

    assert environment.twice(event)["isAuthorized"] is False


def test_the_use_of_a_key_is_written_down_and_a_refused_one_is_not(environment: Lambda) -> None:
    owner = environment.session()
    used, unused = environment.key(owner), environment.key(owner)

    environment.twice(http_event(authorization=f"Bearer {used.key}"))
    environment.twice(http_event(authorization=f"Bearer {unused.key[:-4]}AAAA"))

    async def last_used() -> list[Any]:
        async with environment.container.connection() as connection:
            rows = await connection.fetch("SELECT last_used_at FROM api_keys ORDER BY id")
        return [row["last_used_at"] for row in rows]

    moments = environment.run(last_used())
    assert datetime.now(UTC) - moments[0] < timedelta(minutes=1)
    assert moments[1] is None


def test_a_socket_opens_for_a_token_a_key_and_a_header(environment: Lambda) -> None:
    session = environment.session()
    token, key = environment.token(session), environment.key(session).key

    for event in (
        socket_event({"token": token}),
        socket_event({"token": key}),
        socket_event(Authorization=f"Bearer {token}"),
        socket_event({}, **{"X-API-Key": key}),
    ):
        answer = environment.twice(event)

        (statement,) = answer["policyDocument"]["Statement"]
        assert answer["principalId"] == str(session.user_id)
        assert answer["policyDocument"]["Version"] == "2012-10-17"
        assert statement == {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": event["methodArn"]}
        assert answer["context"].keys() == CONTEXT
        assert Identity.from_context(answer["context"]).user_id == session.user_id


def test_a_ticket_opens_one_socket(environment: Lambda) -> None:
    session = environment.session()
    event = socket_event({"ticket": environment.ticket(session)})

    answer = environment.handler(event, None)

    assert Identity.from_context(answer["context"]).session == session.session
    for used in (event, socket_event({"ticket": "unknown"}), socket_event({"ticket": "unknown", "token": ""})):
        with pytest.raises(Exception, match=r"^Unauthorized$"):
            environment.handler(used, None)


def test_a_ticket_of_a_session_that_ended_meanwhile_opens_nothing(environment: Lambda) -> None:
    session = environment.session()
    event = socket_event({"ticket": environment.ticket(session)})

    environment.revoke(session)

    with pytest.raises(Exception, match=r"^Unauthorized$"):
        environment.handler(event, None)


def test_a_key_that_may_not_read_is_known_but_not_allowed_on_the_socket(environment: Lambda) -> None:
    key = environment.key(environment.session(), Scope.TRADE).key

    answer = environment.twice(socket_event({"token": key}))

    assert answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"


def test_without_valkey_nothing_changes(environment: Lambda, settings: Settings) -> None:
    standing, ended = environment.session(), environment.session()
    environment.revoke(ended)
    lost = without_valkey(settings)
    handler = on(environment, lost)

    answers = [
        handler(http_event(authorization=f"Bearer {environment.token(session)}"), None)["isAuthorized"]
        for session in (standing, standing, ended, ended)
    ]

    assert answers == [True, True, False, False]
    environment.run(lost.close())


def test_without_postgresql_a_known_session_passes_and_a_revoked_one_does_not(
    environment: Lambda, settings: Settings
) -> None:
    standing, ended = environment.session(), environment.session()
    tokens = [environment.token(session) for session in (standing, ended)]
    for token in tokens:
        environment.twice(http_event(authorization=f"Bearer {token}"))
    environment.revoke(ended)
    lost = without_postgres(settings)
    handler = on(environment, lost)

    answers = [handler(http_event(authorization=f"Bearer {token}"), None)["isAuthorized"] for token in tokens]

    assert answers == [True, False]
    environment.run(lost.close())


def test_without_both_stores_a_token_of_ours_goes_on_to_a_clear_503_and_nothing_else_passes(
    environment: Lambda, settings: Settings
) -> None:
    session = environment.session()
    token, key = environment.token(session), environment.key(session).key
    lost = without_stores(settings)
    handler = on(environment, lost)

    assert handler(http_event(authorization=f"Bearer {token}"), None)["isAuthorized"] is True
    assert handler(http_event(authorization=f"Bearer {token}A"), None)["isAuthorized"] is False
    for event in (http_event(authorization=f"Bearer {key}"), socket_event({"token": token})):
        with pytest.raises(Exception, match="cannot be reached"):
            handler(event, None)
    environment.run(lost.close())


def test_no_credential_reaches_the_log(environment: Lambda) -> None:
    session = environment.session()
    credentials = [environment.token(session), environment.key(session).key, environment.ticket(session)]
    written = StringIO()
    runtime_logging.configure("authorizer", "DEBUG", "json", written)

    for credential in credentials:
        environment.handler(http_event(authorization=f"Bearer {credential}"), None)
        environment.handler(http_event(authorization=f"Bearer {credential}x"), None)
        for name in ("token", "ticket"):
            with pytest.raises(Exception, match=r"^Unauthorized$"):
                environment.handler(socket_event({name: f"{credential}x"}), None)

    assert '"event":"refused"' in written.getvalue()
    for credential in credentials:
        assert credential[-20:] not in written.getvalue()
