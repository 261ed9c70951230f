"""Exchange accounts over HTTP: whose they are, what is kept, and that keys never come out."""

from __future__ import annotations

import io
from typing import Any
from uuid import UUID

import pytest

from fullon.identity.model import Identity, Role
from fullon.runtime import logging
from fullon.runtime.container import Container
from fullon.venues import accounts
from fullon.venues.account import Keys
from tests.accounts import ACCOUNTS, API_KEY, API_SECRET, PASSPHRASE, an_account, call, done
from tests.api.callers import stored_identity
from tests.identities import candles_database  # noqa: F401 - a fixture
from tests.people import a_venue

BY_NAME = "/api/v1/orm/exchanges/id-by-name"
NOBODY = "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11"


@pytest.fixture
async def trader(container: Container, monkeypatch: pytest.MonkeyPatch) -> Identity:
    """Somebody, on a platform with two venues, neither of which can be reached."""
    for venue in ("PAPER", "KRAKEN"):
        monkeypatch.setenv(f"EXCHANGE_URL_{venue}", "http://127.0.0.1:9")
    async with container.transaction() as connection:
        await a_venue(connection, "paper", "BTC/USDT")
        await a_venue(connection, "kraken", "BTC/USDT")
    return await stored_identity(container)


async def number_of(container: Container, venue: str) -> int:
    async with container.connection() as connection:
        return int(await connection.fetchval("SELECT cat_ex_id FROM cat_exchanges WHERE name = $1", venue))


async def keys_in(container: Container, owner: Identity, account: Any) -> Keys:
    async with container.connection() as connection:
        found = await accounts.keys_of(connection, owner.user_id, UUID(account["ex_id"]))
    return await found.keys(container.seals)


async def an_order(container: Container, owner: Identity, account: Any, status: str) -> None:
    async with container.transaction() as connection:
        await connection.execute(
            "INSERT INTO orders (order_id, uid, ex_id, symbol_id, symbol, side, order_type, volume, client_order_id,"
            " status, created_at, updated_at) SELECT gen_random_uuid(), $1, $2, symbol_id, symbol, 'buy', 'market', 1,"
            " gen_random_uuid()::text, $3, now(), now() FROM symbols LIMIT 1",
            owner.user_id,
            UUID(account["ex_id"]),
            status,
        )


async def test_nobody_without_a_credential_sees_or_makes_accounts(container: Container, trader: Identity) -> None:
    for method, path in (("GET", ACCOUNTS), ("POST", ACCOUNTS), ("GET", f"{BY_NAME}?name=x")):
        assert (await call(container, None, method, path, {})).status_code == 401


async def test_a_foreign_account_answers_as_a_missing_one_everywhere(container: Container, trader: Identity) -> None:
    other = await stored_identity(container)
    theirs = await an_account(container, other, "theirs")
    new_keys = {"api_key": "AnotherPublicKey0001", "api_secret": "AnotherSecret000001"}

    for method, tail, body in (
        ("GET", "", None),
        ("PATCH", "", {"name": "mine now"}),
        ("PATCH", "", new_keys),
        ("DELETE", "", None),
        ("POST", "/validate", None),
    ):
        answers = []
        for ex_id in (theirs["ex_id"], NOBODY):
            answer = await call(container, trader, method, f"{ACCOUNTS}/{ex_id}{tail}", body)
            problem = answer.json()
            del problem["request_id"]
            answers.append((answer.status_code, problem))
        assert answers[0] == answers[1]
        assert (answers[0][0], answers[0][1]["code"]) == (404, "account_not_found")

    assert (await call(container, trader, "GET", f"{BY_NAME}?name=theirs")).status_code == 404
    assert (await done(container, trader, "GET", ACCOUNTS))["items"] == []
    assert (await done(container, other, "GET", f"{ACCOUNTS}/{theirs['ex_id']}")) == theirs
    assert (await keys_in(container, other, theirs)).api_key == API_KEY


async def test_an_admin_has_no_way_to_the_accounts_of_others(container: Container, trader: Identity) -> None:
    admin = await stored_identity(container, Role.ADMIN)
    account = await an_account(container, trader)

    assert (await call(container, admin, "GET", f"{ACCOUNTS}/{account['ex_id']}")).status_code == 404
    assert (await call(container, admin, "POST", f"{ACCOUNTS}/{account['ex_id']}/validate")).status_code == 404
    assert (await done(container, admin, "GET", ACCOUNTS))["items"] == []


async def test_viewers_read_and_do_not_change(container: Container, trader: Identity) -> None:
    viewer = await stored_identity(container, Role.VIEWER)

    assert (await done(container, viewer, "GET", ACCOUNTS))["items"] == []
    for method, path in (
        ("POST", ACCOUNTS),
        ("PATCH", f"{ACCOUNTS}/{NOBODY}"),
        ("DELETE", f"{ACCOUNTS}/{NOBODY}"),
        ("POST", f"{ACCOUNTS}/{NOBODY}/validate"),
    ):
        assert (await call(container, viewer, method, path, {"name": "x"})).status_code == 403


async def test_an_account_is_made_changed_and_removed(container: Container, trader: Identity) -> None:
    made = await an_account(container, trader, is_testnet=True, uid=str(trader.user_id), passphrase=PASSPHRASE)
    path = f"{ACCOUNTS}/{made['ex_id']}"
    assert (made["exchange"], made["test"], made["active"], made["key_hint"]) == ("paper", True, True, "wxyz")
    assert (made["validated_at"], made["permissions"], made["problem"]) == (None, None, None)
    assert await keys_in(container, trader, made) == Keys(API_KEY, API_SECRET, PASSPHRASE)

    changed = await done(container, trader, "PATCH", path, {"name": "other", "active": False, "test": False})
    assert (changed["name"], changed["active"], changed["test"]) == ("other", False, False)
    assert await done(container, trader, "GET", path) == changed
    renewed = await done(container, trader, "PATCH", path, {"api_key": "NewPublicKey0001abcd", "api_secret": "N" * 20})
    assert renewed["key_hint"] == "abcd"
    assert await keys_in(container, trader, made) == Keys("NewPublicKey0001abcd", "N" * 20, None)

    assert (await call(container, trader, "DELETE", path)).status_code == 204
    assert (await call(container, trader, "GET", path)).status_code == 404


async def test_other_keys_forget_what_was_said_of_the_old_ones(container: Container, trader: Identity) -> None:
    made = await an_account(container, trader)
    path = f"{ACCOUNTS}/{made['ex_id']}"
    for change, is_forgotten in (
        ({"name": "renamed", "active": False, "allow_withdraw_keys": False}, False),
        ({"allow_withdraw_keys": True}, True),
        ({"test": True}, True),
        ({"api_key": "NewPublicKey0001abcd", "api_secret": "NewSecret0000001"}, True),
    ):
        async with container.transaction() as connection:
            await connection.execute(
                "UPDATE exchanges SET validated_at = now(), permissions = '{\"read\": true}', problem = 'it is bad'"
            )

        after = await done(container, trader, "PATCH", path, change)

        assert (after["problem"] is None) == is_forgotten, change
        assert (after["validated_at"] is None) == is_forgotten
        assert (after["permissions"] is None) == is_forgotten


async def test_a_name_is_taken_once_for_each_user_and_exchange(container: Container, trader: Identity) -> None:
    other, kraken = await stored_identity(container), await number_of(container, "kraken")
    await an_account(container, trader, "same")
    await an_account(container, other, "same")
    second = await an_account(container, trader, "second")
    body = {"name": "same", "api_key": API_KEY, "api_secret": API_SECRET, "cat_ex_id": second["cat_ex_id"]}

    for method, path, sent in (("POST", ACCOUNTS, body), ("PATCH", f"{ACCOUNTS}/{second['ex_id']}", {"name": "same"})):
        answer = await call(container, trader, method, path, sent)
        assert (answer.status_code, answer.json()["code"]) == (409, "account_name_taken")
    there = await an_account(container, trader, "same", cat_ex_id=kraken)

    ambiguous = await call(container, trader, "GET", f"{BY_NAME}?name=same")
    assert (ambiguous.status_code, ambiguous.json()["code"]) == (409, "account_name_ambiguous")
    assert (await done(container, trader, "GET", f"{BY_NAME}?name=same&cat_ex_id={kraken}"))["ex_id"] == there["ex_id"]
    assert (await done(container, trader, "GET", f"{BY_NAME}?name=second"))["ex_id"] == second["ex_id"]


async def test_lists_are_filtered_and_come_in_pages(container: Container, trader: Identity) -> None:
    kraken = await number_of(container, "kraken")
    await an_account(container, await stored_identity(container), "foreign")
    made = [await an_account(container, trader, f"number {each}", active=each % 2 == 0) for each in range(5)]
    there = await an_account(container, trader, "there", cat_ex_id=kraken)

    pages, cursor = [], ""
    while True:
        page = await done(container, trader, "GET", f"{ACCOUNTS}?limit=2{cursor}")
        pages += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert pages == [*made, there]
    inactive = await done(container, trader, "GET", f"{ACCOUNTS}?active=false")
    assert inactive["items"] == [made[1], made[3]]
    assert (await done(container, trader, "GET", f"{ACCOUNTS}?cat_ex_id={kraken}"))["items"] == [there]
    assert (await call(container, trader, "GET", f"{ACCOUNTS}?cursor=nonsense")).status_code == 422


@pytest.mark.parametrize("status", ["new", "submitted", "open", "partially_filled", "unknown"])
async def test_an_account_stays_while_orders_are_alive(container: Container, trader: Identity, status: str) -> None:
    account = await an_account(container, trader)
    path = f"{ACCOUNTS}/{account['ex_id']}"
    await an_order(container, trader, account, status)

    answer = await call(container, trader, "DELETE", path)
    assert (answer.status_code, answer.json()["code"], answer.json()["orders"]) == (409, "account_has_orders", 1)

    async with container.transaction() as connection:
        await connection.execute("UPDATE orders SET status = 'canceled'")
    assert (await call(container, trader, "DELETE", path)).status_code == 204


@pytest.mark.parametrize("field", ["owner", "role", "balance", "key_hint", "validated_at", "sealed", "permissions"])
async def test_fields_that_are_not_ones_own_to_set_are_refused(
    container: Container, trader: Identity, field: str
) -> None:
    account = await an_account(container, trader)
    body = {"cat_ex_id": account["cat_ex_id"], "name": "x", "api_key": API_KEY, "api_secret": API_SECRET, field: "1"}

    for method, path, sent in (("POST", ACCOUNTS, body), ("PATCH", f"{ACCOUNTS}/{account['ex_id']}", {field: "1"})):
        answer = await call(container, trader, method, path, sent)
        assert answer.status_code == 422
        assert {item["field"] for item in answer.json()["errors"]} == {field}


async def test_what_is_wrong_with_a_field_is_said_in_words_for_people(container: Container, trader: Identity) -> None:
    body = {"cat_ex_id": await number_of(container, "paper"), "name": "x", "api_key": "short", "api_secret": API_SECRET}

    answer = await call(container, trader, "POST", ACCOUNTS, body)

    assert answer.json()["errors"] == [{"field": "api_key", "message": "must have at least 8 characters"}]


async def test_nobody_says_whose_an_account_is(container: Container, trader: Identity) -> None:
    other = await stored_identity(container)
    number = await number_of(container, "paper")
    body = {"cat_ex_id": number, "name": "x", "api_key": API_KEY, "api_secret": API_SECRET}

    for name in ("uid", "user_id"):
        answer = await call(container, trader, "POST", ACCOUNTS, {**body, name: str(other.user_id)})
        assert answer.status_code == 422
    assert (await done(container, other, "GET", ACCOUNTS))["items"] == []


async def test_an_unknown_exchange_is_named_as_that(container: Container, trader: Identity) -> None:
    body = {"cat_ex_id": 4711, "name": "x", "api_key": API_KEY, "api_secret": API_SECRET}

    answer = await call(container, trader, "POST", ACCOUNTS, body)

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_exchange")


@pytest.mark.parametrize(
    "keys",
    [
        {"api_key": "short", "api_secret": API_SECRET},
        {"api_key": "two words of it", "api_secret": API_SECRET},
        {"api_key": API_KEY},
        {"api_secret": API_SECRET},
        {"passphrase": PASSPHRASE},
        {"api_key": None, "api_secret": API_SECRET},
        {"api_key": API_KEY + "\u0000", "api_secret": API_SECRET},
        {"api_key": API_KEY, "api_secret": "s" * 9000},
    ],
)
async def test_keys_come_whole_and_in_form_and_a_refusal_repeats_none(
    container: Container, trader: Identity, keys: dict[str, str]
) -> None:
    account = await an_account(container, trader)
    body = {"cat_ex_id": account["cat_ex_id"], "name": "x", **keys}

    for method, path, sent in (("POST", ACCOUNTS, body), ("PATCH", f"{ACCOUNTS}/{account['ex_id']}", keys)):
        answer = await call(container, trader, method, path, sent)
        assert answer.status_code == 422
        assert not [value for value in keys.values() if value and value in answer.text]


async def test_spaces_around_copied_keys_and_written_line_ends_do_not_matter(
    container: Container, trader: Identity
) -> None:
    one_line = "first line\\nsecond line\\nlast line"

    account = await an_account(container, trader, api_key=f"  {API_KEY}\n", api_secret=one_line)

    keys = await keys_in(container, trader, account)
    assert keys == Keys(API_KEY, "first line\nsecond line\nlast line", None)


async def test_more_accounts_than_allowed_are_refused(
    container: Container, trader: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "MOST_PER_USER", 1)
    await an_account(container, await stored_identity(container))
    first = await an_account(container, trader)
    body = {"cat_ex_id": first["cat_ex_id"], "name": "x", "api_key": API_KEY, "api_secret": API_SECRET}

    answer = await call(container, trader, "POST", ACCOUNTS, body)

    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_accounts")


async def test_keys_are_in_no_answer_no_log_no_audit_and_no_column(container: Container, trader: Identity) -> None:
    written = io.StringIO()
    logging.configure("test", "DEBUG", stream=written)

    account = await an_account(container, trader, passphrase=PASSPHRASE)
    path = f"{ACCOUNTS}/{account['ex_id']}"
    again = {"cat_ex_id": account["cat_ex_id"], "name": "main", "api_key": API_KEY, "api_secret": API_SECRET}
    keys = {"api_key": API_KEY, "api_secret": API_SECRET, "passphrase": PASSPHRASE}
    answers = [
        await call(container, trader, method, address, body)
        for method, address, body in (
            ("POST", ACCOUNTS, again),
            ("POST", ACCOUNTS, {**keys, "surprise": 1}),
            ("PATCH", path, keys),
            ("GET", path, None),
            ("GET", ACCOUNTS, None),
            ("POST", f"{path}/validate", None),
        )
    ]

    async with container.connection() as connection:
        stored = str(await connection.fetch("SELECT * FROM exchanges")) + str(
            await connection.fetch("SELECT actor, action, subject, details::text FROM audit")
        )
    everything = "".join(answer.text for answer in answers) + str(account) + stored + written.getvalue()
    for secret in (API_KEY, API_SECRET, PASSPHRASE, API_KEY[:-4], API_KEY[4:]):
        assert secret not in everything
    assert "create_account" in stored
    assert '"event":"request"' in written.getvalue()


async def test_a_row_that_was_moved_in_the_database_opens_nothing(container: Container, trader: Identity) -> None:
    other = await stored_identity(container)
    mine, theirs = await an_account(container, trader), await an_account(container, other, "theirs")
    async with container.transaction() as connection:
        await connection.execute(
            "UPDATE exchanges x SET sealed = o.sealed, data_key = o.data_key FROM exchanges o"
            " WHERE x.ex_id = $1 AND o.ex_id = $2",
            UUID(mine["ex_id"]),
            UUID(theirs["ex_id"]),
        )

    answer = await call(container, trader, "POST", f"{ACCOUNTS}/{mine['ex_id']}/validate")

    assert (answer.status_code, answer.json()["code"]) == (500, "seal_broken")


async def test_without_a_master_key_nothing_is_kept(container: Container, trader: Identity) -> None:
    number = await number_of(container, "paper")
    body = {"cat_ex_id": number, "name": "x", "api_key": API_KEY, "api_secret": API_SECRET}
    for weak in (None, "a" * 40):
        keyless = Container(container.settings.model_copy(update={"encryption_key": weak and _secret(weak)}))

        answer = await call(keyless, trader, "POST", ACCOUNTS, body)

        assert (answer.status_code, answer.json()["code"]) == (503, "sealing_not_set_up")
        await keyless.close()
    assert (await done(container, trader, "GET", ACCOUNTS))["items"] == []


def _secret(text: str) -> Any:
    from pydantic import SecretStr

    return SecretStr(text)
