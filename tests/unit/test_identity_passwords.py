"""Passwords: the parameters, the limits, the same cost for nobody."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher, extract_parameters

from fullon.identity import passwords
from fullon.kernel.errors import Invalid

PASSWORD = "correct horse battery staple"


async def test_the_right_password_is_right_and_another_is_not() -> None:
    stored = await passwords.hash_password(PASSWORD)

    assert await passwords.verify(stored, PASSWORD) == passwords.Verdict(is_right=True)
    assert await passwords.verify(stored, PASSWORD + " ") == passwords.Verdict(is_right=False)
    assert await passwords.verify(stored, "") == passwords.Verdict(is_right=False)


async def test_two_hashes_of_one_password_differ() -> None:
    assert await passwords.hash_password(PASSWORD) != await passwords.hash_password(PASSWORD)


async def test_the_parameters_are_those_of_owasp_also_for_the_user_who_does_not_exist() -> None:
    for stored in (await passwords.hash_password(PASSWORD), passwords.NOBODY):
        parameters = extract_parameters(stored)

        assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert (parameters.salt_len, parameters.hash_len) == (16, 32)


async def test_nobody_has_no_password() -> None:
    assert not (await passwords.verify(None, PASSWORD)).is_right


async def test_a_hash_by_other_parameters_is_replaced_when_the_password_is_right() -> None:
    old = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)

    right, wrong = await passwords.verify(old, PASSWORD), await passwords.verify(old, "wrong password")

    assert wrong == passwords.Verdict(is_right=False)
    assert right.is_right
    assert right.better_hash is not None
    assert (await passwords.verify(right.better_hash, PASSWORD)) == passwords.Verdict(is_right=True)


async def test_a_hash_that_is_none_lets_nobody_in() -> None:
    assert not (await passwords.verify("-", PASSWORD)).is_right


async def test_the_same_text_in_another_unicode_form_is_the_same_password() -> None:
    stored = await passwords.hash_password("Füße und Ängste")

    assert (await passwords.verify(stored, "Fu\u0308ße und A\u0308ngste")).is_right


@pytest.mark.parametrize("password", ["", "1234567", "x" * 1025, "fine so far \ud800"])
async def test_a_password_outside_the_limits_is_refused_by_the_name_of_its_field(password: str) -> None:
    with pytest.raises(Invalid) as refusal:
        await passwords.hash_password(password, "new")

    assert refusal.value.fields.keys() == {"new"}
    assert not password or password not in refusal.value.detail


@pytest.mark.parametrize("password", ["12345678", "x" * 1024, "密码密码密码密码"])
async def test_the_limits_themselves_are_accepted(password: str) -> None:
    assert (await passwords.verify(await passwords.hash_password(password), password)).is_right


@pytest.mark.parametrize("password", ["x" * 1025, "\ud800" * 8])
async def test_what_cannot_be_a_password_is_wrong_and_costs_no_error(password: str) -> None:
    stored = await passwords.hash_password(PASSWORD)

    assert not (await passwords.verify(stored, password)).is_right
