"""The master key of exchange accounts changes: every account opens before, meanwhile and after, here and with KMS."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from fullon.kernel.clock import SystemClock
from fullon.kernel.errors import Invalid
from fullon.kernel.ids import new_id
from fullon.runtime.container import Container
from fullon.venues import accounts
from fullon.venues.account import Keys
from fullon.venues.errors import MasterKeyMissing, MasterKeyUnavailable, SealBroken
from fullon.venues.master_keys import KmsKey, LocalKey, seals
from fullon.venues.rotation import rotate
from fullon.venues.sealing import Binding, Sealed, Seals, Wrapped
from local.home import REPOSITORY
from tests.aws import REGION, Answers, amazon, refusal
from tests.people import a_user, a_venue

if TYPE_CHECKING:
    import asyncpg

OLD, NEW = "the old master key of the tests, long", "the new master key of the tests, long"
KEYS = Keys("PublicKeyForTests0001wxyz", "SecretForTests000000000001")


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of moto's KMS."""
    import boto3

    with amazon(monkeypatch):
        session: Any = boto3.session.Session(region_name=REGION)
        yield session.client("kms")


def a_key(kms: Any) -> str:
    return str(kms.create_key()["KeyMetadata"]["Arn"])


def both() -> Seals:
    made = seals(NEW, [OLD], None, REGION)
    assert made is not None
    return made


async def an_account(container: Container, under: Seals, name: str = "main") -> Binding:
    async with container.transaction() as connection:
        await a_venue(connection, "paper")
        binding = Binding(await a_user(connection), new_id())
        number = await connection.fetchval("SELECT cat_ex_id FROM cat_exchanges WHERE name = 'paper'")
        sealed = await under.seal(binding, KEYS.to_bytes())
        await accounts.add(connection, SystemClock(), binding, sealed, cat_ex_id=number, name=name, key_hint=KEYS.hint)
    return binding


async def opened(container: Container, binding: Binding, under: Seals) -> Keys:
    async with container.connection() as connection:
        found = await accounts.keys_of(connection, binding.uid, binding.ex_id)
    return await found.keys(under)


async def column(container: Container, name: str) -> list[Any]:
    async with container.connection() as connection:
        return [row[0] for row in await connection.fetch(f"SELECT {name} FROM exchanges ORDER BY ex_id")]


async def test_every_account_opens_under_the_new_key_alone_and_what_is_sealed_was_not_touched(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fullon.venues.rotation.PAGE", 2)
    made = [await an_account(container, Seals(LocalKey(OLD))) for _ in range(5)]
    made.append(await an_account(container, both()))
    sealed, updated = await column(container, "sealed"), await column(container, "updated_at")

    done = await rotate(container.connection, both())
    again = await rotate(container.connection, both())

    assert (done.rewrapped, done.kept, done.failed) == (5, 1, [])
    assert (again.rewrapped, again.kept, again.failed) == (0, 6, [])
    assert (await column(container, "sealed"), await column(container, "updated_at")) == (sealed, updated)
    assert set(await column(container, "master_key_id")) == {LocalKey(NEW).key_id}
    for binding in made:
        assert await opened(container, binding, Seals(LocalKey(NEW))) == KEYS
        with pytest.raises(MasterKeyMissing):
            await opened(container, binding, Seals(LocalKey(OLD)))


async def test_an_account_that_cannot_be_opened_stops_no_other(container: Container) -> None:
    broken, foreign, good = [
        await an_account(container, Seals(LocalKey(secret))) for secret in (OLD, "a third master key, nowhere", OLD)
    ]
    async with container.transaction() as connection:
        await connection.execute(
            "UPDATE exchanges SET data_key = set_byte(data_key, 20, get_byte(data_key, 20) # 1) WHERE ex_id = $1",
            broken.ex_id,
        )

    done = await rotate(container.connection, both())

    assert (done.rewrapped, set(done.failed)) == (1, {broken.ex_id, foreign.ex_id})
    assert await opened(container, good, Seals(LocalKey(NEW))) == KEYS


async def test_the_command_rotates_and_names_what_it_could_not_open(container: Container) -> None:
    present = container.settings.encryption_key
    assert present is not None
    good = await an_account(container, Seals(LocalKey(OLD)))
    foreign = await an_account(container, Seals(LocalKey("a third master key, nowhere")))
    environment = {**os.environ, "ENCRYPTION_PREVIOUS_KEYS": json.dumps({"former": OLD})}

    finished = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "local.rotate_keys"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    said = json.loads(finished.stdout.splitlines()[-1])
    assert said == {"rewrapped": 1, "kept": 0, "failed": [str(foreign.ex_id)]}
    assert await opened(container, good, Seals(LocalKey(present.get_secret_value()))) == KEYS
    assert OLD not in finished.stdout + finished.stderr


async def test_keys_that_were_replaced_meanwhile_are_left_as_they_are(container: Container) -> None:
    binding = await an_account(container, Seals(LocalKey(OLD)))
    other = Keys("AnotherPublicKey0001", "AnotherSecret000001")

    class Interfering(Seals):
        async def rewrap(self, binding: Binding, wrapped: Wrapped) -> Wrapped | None:
            sealed = await self.seal(binding, other.to_bytes())
            async with container.transaction() as connection:
                await accounts.change(connection, SystemClock(), binding.uid, binding.ex_id, {}, (sealed, other.hint))
            return await super().rewrap(binding, wrapped)

    done = await rotate(container.connection, Interfering(LocalKey(NEW), [LocalKey(OLD)]))

    assert (done.rewrapped, done.kept) == (0, 1)
    assert await opened(container, binding, both()) == other


async def test_settings_give_the_present_and_the_former_keys(container: Container) -> None:
    binding = await an_account(container, container.seals)
    former = container.settings.encryption_key
    assert former is not None
    changed = container.settings.model_copy(
        update={
            "encryption_key": SecretStr(NEW),
            "encryption_previous_keys": SecretStr(f'{{"2025": "{former.get_secret_value()}"}}'),
        }
    )

    assert await opened(container, binding, Container(changed).seals) == KEYS
    with pytest.raises(Invalid, match="ENCRYPTION_PREVIOUS_KEYS"):
        _ = Container(changed.model_copy(update={"encryption_previous_keys": SecretStr("[1]")})).seals


async def test_kms_takes_over_from_a_local_key_and_gives_back(container: Container, kms: Any) -> None:
    binding = await an_account(container, Seals(LocalKey(OLD)))
    with_kms = seals(OLD, [], a_key(kms), REGION)
    back = seals(OLD, [], None, REGION)
    assert with_kms is not None
    assert back is not None

    assert (await rotate(container.connection, with_kms)).rewrapped == 1
    assert (await column(container, "master_key_id"))[0].startswith("kms:arn:aws:kms:")
    assert await opened(container, binding, Seals(KmsKey(a_key(kms), REGION))) == KEYS
    assert (await rotate(container.connection, with_kms)).rewrapped == 0

    assert (await rotate(container.connection, back)).rewrapped == 1
    assert await opened(container, binding, Seals(LocalKey(OLD))) == KEYS


async def test_kms_opens_nothing_for_another_account_and_nothing_that_was_changed(kms: Any) -> None:
    ours = Seals(KmsKey(a_key(kms), REGION))
    one, other = Binding(UUID(int=1), UUID(int=2)), Binding(UUID(int=1), UUID(int=3))
    sealed = await ours.seal(one, b"keys")
    cut = bytearray(sealed.wrapped.data_key)
    cut[-1] ^= 1

    for binding, wrong in (
        (other, sealed),
        (one, Sealed(sealed.sealed, Wrapped(sealed.wrapped.key_id, bytes(cut)))),
        (one, Sealed(sealed.sealed[:-1] + bytes([sealed.sealed[-1] ^ 1]), sealed.wrapped)),
    ):
        with pytest.raises(SealBroken):
            await ours.open(binding, wrong)
    with pytest.raises(SealBroken):
        await KmsKey(a_key(kms), REGION).unwrap(sealed.wrapped, other)
    assert await ours.open(one, sealed) == b"keys"


@pytest.mark.parametrize("code", ["DisabledException", "KMSInvalidStateException", "AccessDeniedException"])
async def test_a_key_service_that_refuses_says_nothing_about_the_row(kms: Any, code: str) -> None:
    binding, key = Binding(UUID(int=1), UUID(int=2)), KmsKey(a_key(kms), REGION)
    sealed = await Seals(key).seal(binding, b"keys")
    assert key._client is not None
    Answers([refusal(code)]).attach(key._client, "kms")

    with pytest.raises(MasterKeyUnavailable) as refused:
        await Seals(key).open(binding, sealed)
    with pytest.raises(MasterKeyUnavailable):
        await Seals(key).seal(binding, b"keys")
    with pytest.raises(MasterKeyUnavailable):
        await Seals(KmsKey("alias/nobody", REGION)).seal(binding, b"keys")

    assert refused.value.facts == {"aws_code": code}


async def test_the_statements_of_one_user_reach_no_row_of_another(connection: asyncpg.Connection[Any]) -> None:
    under = Seals(LocalKey(NEW))
    await a_venue(connection, "paper")
    number = await connection.fetchval("SELECT cat_ex_id FROM cat_exchanges WHERE name = 'paper'")
    mine, theirs = [Binding(await a_user(connection), new_id()) for _ in range(2)]
    for binding in (mine, theirs):
        sealed = await under.seal(binding, KEYS.to_bytes())
        await accounts.add(
            connection, SystemClock(), binding, sealed, cat_ex_id=number, name="main", key_hint=KEYS.hint
        )
    crossed = Binding(mine.uid, theirs.ex_id)
    old = Wrapped("", await connection.fetchval("SELECT data_key FROM exchanges WHERE ex_id = $1", theirs.ex_id))

    assert not await accounts.replace_wrapped(connection, crossed, old, Wrapped("x", b"x"))
    assert [found.ex_id for found in await accounts.listing(connection, mine.uid, limit=10)] == [mine.ex_id]
