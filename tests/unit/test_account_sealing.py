"""Sealed keys open for the account and the owner they were sealed for, whole, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fullon.kernel.errors import Corrupt
from fullon.venues.account import Keys
from fullon.venues.errors import MasterKeyMissing, SealBroken
from fullon.venues.master_keys import LocalKey, seals
from fullon.venues.sealing import Binding, Sealed, Seals, Wrapped, decrypt, encrypt

Result = TypeVar("Result")
SECRET, OTHER_SECRET = "a master key of the tests, 32 bytes+", "another master key of the tests, 32+"
ONE = Binding(UUID(int=1), UUID(int=2))

texts = some.text(min_size=1, max_size=200)
some_keys = some.builds(Keys, texts, texts, some.none() | texts)
bindings = some.builds(Binding, some.uuids(), some.uuids())


def now(work: Coroutine[Any, Any, Result]) -> Result:
    """Run what needs no loop of its own."""
    return asyncio.run(work)


def ours() -> Seals:
    return Seals(LocalKey(SECRET))


def altered(text: bytes, where: float, bit: int) -> bytes:
    """With one bit turned over."""
    bytes_of = bytearray(text)
    bytes_of[int(where * len(text))] ^= 1 << bit
    return bytes(bytes_of)


@given(keys=some_keys, binding=bindings)
def test_what_was_sealed_opens_again(keys: Keys, binding: Binding) -> None:
    sealed = now(ours().seal(binding, keys.to_bytes()))

    assert Keys.of_bytes(now(ours().open(binding, sealed))) == keys


@given(secret=some.binary(max_size=300), where=some.floats(0, 1, exclude_max=True), bit=some.integers(0, 7))
def test_a_changed_bit_anywhere_opens_nothing(secret: bytes, where: float, bit: int) -> None:
    sealed = now(ours().seal(ONE, secret))

    for wrong in (
        Sealed(altered(sealed.sealed, where, bit), sealed.wrapped),
        Sealed(sealed.sealed, Wrapped(sealed.wrapped.key_id, altered(sealed.wrapped.data_key, where, bit))),
    ):
        with pytest.raises(SealBroken):
            now(ours().open(ONE, wrong))


@given(length=some.floats(0, 1, exclude_max=True))
def test_a_shortened_text_opens_nothing(length: float) -> None:
    sealed = now(ours().seal(ONE, b"keys"))
    cut = sealed.sealed[: int(length * len(sealed.sealed))]
    cut_key = sealed.wrapped.data_key[: int(length * len(sealed.wrapped.data_key))]

    for wrong in (Sealed(cut, sealed.wrapped), Sealed(sealed.sealed, Wrapped(sealed.wrapped.key_id, cut_key))):
        with pytest.raises(SealBroken):
            now(ours().open(ONE, wrong))


@given(mine=bindings, theirs=bindings)
def test_a_row_in_another_accounts_place_opens_nothing(mine: Binding, theirs: Binding) -> None:
    sealed = now(ours().seal(mine, b"keys"))
    places = {theirs, Binding(mine.uid, theirs.ex_id), Binding(theirs.uid, mine.ex_id), Binding(mine.ex_id, mine.uid)}

    for place in places - {mine}:
        with pytest.raises(SealBroken):
            now(ours().open(place, sealed))


def test_keys_and_data_key_are_each_bound_for_themselves() -> None:
    other, data_key, master = Binding(UUID(int=1), UUID(int=3)), bytes(32), LocalKey(SECRET)
    sealed, wrapped = encrypt(data_key, b"keys", ONE.of_keys()), now(master.wrap(data_key, ONE))

    assert decrypt(data_key, sealed, ONE.of_keys()) == b"keys"
    assert now(master.unwrap(wrapped, ONE)) == data_key
    for associated in (other.of_keys(), ONE.of_data_key()):
        with pytest.raises(SealBroken):
            decrypt(data_key, sealed, associated)
    with pytest.raises(SealBroken):
        now(master.unwrap(wrapped, other))


def test_halves_of_two_rows_of_one_account_do_not_open_each_other() -> None:
    first, second = (now(ours().seal(ONE, b"keys")) for _ in range(2))

    for mixed in (Sealed(first.sealed, second.wrapped), Sealed(first.wrapped.data_key, first.wrapped)):
        with pytest.raises(SealBroken):
            now(ours().open(ONE, mixed))


def test_the_same_keys_never_look_the_same_sealed() -> None:
    first, second = (now(ours().seal(ONE, b"keys")) for _ in range(2))

    assert first.sealed != second.sealed
    assert first.wrapped.data_key != second.wrapped.data_key


def test_another_master_key_is_named_and_opens_nothing() -> None:
    sealed = now(ours().seal(ONE, b"keys"))
    other = LocalKey(OTHER_SECRET)

    with pytest.raises(MasterKeyMissing) as missing:
        now(Seals(other).open(ONE, sealed))
    with pytest.raises(SealBroken):
        now(Seals(other).open(ONE, Sealed(sealed.sealed, Wrapped(other.key_id, sealed.wrapped.data_key))))

    assert isinstance(missing.value, Corrupt)
    assert missing.value.facts["key_id"] == LocalKey(SECRET).key_id
    assert SECRET not in missing.value.detail + str(missing.value.facts)


@given(keys=some_keys)
def test_rotation_wraps_anew_and_leaves_what_is_sealed_alone(keys: Keys) -> None:
    before = now(ours().seal(ONE, keys.to_bytes()))
    both = seals(OTHER_SECRET, [SECRET], None, "us-east-1")
    assert both is not None

    wrapped = now(both.rewrap(ONE, before.wrapped))

    assert wrapped is not None
    assert Keys.of_bytes(now(Seals(LocalKey(OTHER_SECRET)).open(ONE, Sealed(before.sealed, wrapped)))) == keys
    assert now(both.rewrap(ONE, wrapped)) is None


def test_rotation_does_not_bless_what_was_changed() -> None:
    before = now(ours().seal(ONE, b"keys"))
    both = seals(OTHER_SECRET, [SECRET], None, "us-east-1")
    assert both is not None

    with pytest.raises(SealBroken):
        now(both.rewrap(Binding(ONE.uid, UUID(int=3)), before.wrapped))


def test_keys_are_in_no_representation() -> None:
    keys = Keys("the-public-key-wxyz", "the-secret", "the-phrase")
    sealed = now(ours().seal(ONE, keys.to_bytes()))

    for secret in ("the-public-key", "the-secret", "the-phrase"):
        assert secret not in repr(keys)
        assert secret.encode() not in sealed.sealed
    assert keys.hint == "wxyz"
    assert repr(sealed.sealed) not in repr(sealed)


def test_without_a_master_key_nothing_is_sealed() -> None:
    assert seals(None, [SECRET], None, "us-east-1") is None
