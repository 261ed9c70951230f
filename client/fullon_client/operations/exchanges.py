"""The catalogue of exchanges, and the caller's accounts at them."""

from __future__ import annotations

from uuid import UUID

from fullon_client.calls import Call, Page, given, nothing, one, page
from fullon_client.models.bots import AccountValidation, ExchangeAccount, ExchangeAccountId
from fullon_client.models.venues import Exchange, ExchangeId, Params, Symbol

PATH = "/api/v1/orm/exchanges"
ACCOUNTS = f"{PATH}/user-exchanges"
ACCOUNT = f"{ACCOUNTS}/{{ex_id}}"


def catalogue() -> Call[Page[Exchange]]:
    """Every exchange the platform knows."""
    return page(Exchange, "list_exchanges", f"{PATH}/catalog")


def catalogue_id(exchange_name: str) -> Call[ExchangeId]:
    """The number of an exchange, by its name."""
    parameters = {"exchange_name": exchange_name}
    return one(ExchangeId, "get_exchange_id", "GET", f"{PATH}/catalog-id", parameters=parameters)


def params(cat_ex_id: int) -> Call[Params]:
    """How the platform talks to an exchange."""
    places = {"cat_ex_id": cat_ex_id}
    return one(Params, "get_exchange_params", "GET", f"{PATH}/catalog/{{cat_ex_id}}/params", places=places)


def symbols(cat_ex_id: int, *, active: bool | None = None, limit: int | None = None) -> Call[Page[Symbol]]:
    """The symbols of an exchange."""
    return page(
        Symbol,
        "list_exchange_symbols",
        f"{PATH}/catalog/{{cat_ex_id}}/symbols",
        places={"cat_ex_id": cat_ex_id},
        parameters={"active": active, "limit": limit},
    )


def accounts(*, active: bool | None = None, limit: int | None = None) -> Call[Page[ExchangeAccount]]:
    """The caller's accounts at exchanges."""
    return page(ExchangeAccount, "list_accounts", ACCOUNTS, parameters={"active": active, "limit": limit})


def account(ex_id: UUID) -> Call[ExchangeAccount]:
    """One account."""
    return one(ExchangeAccount, "get_account", "GET", ACCOUNT, places={"ex_id": ex_id})


def account_id(name: str, *, cat_ex_id: int | None = None) -> Call[ExchangeAccountId]:
    """The id of an account, by its name."""
    parameters = {"name": name, "cat_ex_id": cat_ex_id}
    return one(ExchangeAccountId, "get_account_id", "GET", f"{PATH}/id-by-name", parameters=parameters)


def create_account(
    cat_ex_id: int,
    name: str,
    api_key: str,
    api_secret: str,
    *,
    passphrase: str | None = None,
    test: bool | None = None,
    active: bool | None = None,
) -> Call[ExchangeAccount]:
    """Hand over the keys of an account; they are sealed and never shown again."""
    body = given(
        cat_ex_id=cat_ex_id,
        name=name,
        api_key=api_key,
        api_secret=api_secret,
        passphrase=passphrase,
        test=test,
        active=active,
    )
    return one(ExchangeAccount, "create_account", "POST", ACCOUNTS, body=body)


def validate(ex_id: UUID) -> Call[AccountValidation]:
    """Ask the venue what the keys of an account may."""
    return one(AccountValidation, "validate_account", "POST", f"{ACCOUNT}/validate", places={"ex_id": ex_id})


def delete_account(ex_id: UUID) -> Call[None]:
    """Remove an account and its sealed keys."""
    return nothing("delete_account", "DELETE", ACCOUNT, places={"ex_id": ex_id})
