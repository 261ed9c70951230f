"""The catalogue of exchanges."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from fullon.runtime.audited import act
from fullon.runtime.http import AdminCaller, Caller, Stores
from fullon.runtime.pages import Cursor, Limit, Page
from fullon.runtime.problems import responses
from fullon.venues import cache, store
from functions.orm.routes.symbols import LARGEST_ID, IsActive, page_of_symbols
from functions.orm.venue_schemas import ExchangeAnswer, ExchangeChange, ExchangeIdAnswer, ParamsAnswer, SymbolAnswer

router = APIRouter(prefix="/api/v1/orm/exchanges")

ExchangeNumber = Annotated[int, Path(ge=1, lt=LARGEST_ID)]


@router.get(
    "/catalog", operation_id="list_exchanges", summary="All exchanges of the catalogue", responses=responses(401, 403)
)
async def list_exchanges(caller: Caller, stores: Stores) -> Page[ExchangeAnswer]:
    async with stores.connection() as connection:
        return Page(items=[ExchangeAnswer.of(venue) for venue in await store.venues(connection)])


@router.patch(
    "/catalog/{cat_ex_id}",
    operation_id="change_exchange",
    summary="Switch an exchange on or off",
    description="Collectors follow within seconds: active symbols of an active exchange are collected.",
    responses=responses(401, 403, 404),
)
async def change_exchange(
    cat_ex_id: ExchangeNumber, body: ExchangeChange, caller: AdminCaller, stores: Stores
) -> ExchangeAnswer:
    async with act(stores, caller, "change_exchange", f"exchange {cat_ex_id}", active=body.active) as doing:
        venue = await store.switch_venue(doing.connection, cat_ex_id, active=body.active)
    await cache.ring(stores.valkey)
    return ExchangeAnswer.of(venue)


@router.get(
    "/catalog/{cat_ex_id}/params",
    operation_id="get_exchange_params",
    summary="How an exchange is connected to",
    responses=responses(401, 403, 404),
)
async def get_exchange_params(cat_ex_id: ExchangeNumber, caller: Caller, stores: Stores) -> ParamsAnswer:
    async with stores.connection() as connection:
        venue = await store.venue(connection, cat_ex_id)
    return ParamsAnswer(cat_ex_id=venue.cat_ex_id, name=venue.name, params=dict(venue.params))


@router.get(
    "/catalog/{cat_ex_id}/symbols",
    operation_id="list_exchange_symbols",
    summary="The symbols of an exchange, by name",
    responses=responses(401, 403, 404),
)
async def list_exchange_symbols(
    cat_ex_id: ExchangeNumber,
    caller: Caller,
    stores: Stores,
    active: IsActive = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SymbolAnswer]:
    return await page_of_symbols(stores, cat_ex_id, active, limit, cursor)


@router.get(
    "/catalog-id",
    operation_id="get_exchange_id",
    summary="The number of an exchange by its name",
    responses=responses(401, 403, 404),
)
async def get_exchange_id(
    exchange_name: Annotated[str, Query(min_length=1, max_length=40, examples=["paper"])],
    caller: Caller,
    stores: Stores,
) -> ExchangeIdAnswer:
    async with stores.connection() as connection:
        venue = await store.venue_by_name(connection, exchange_name)
    return ExchangeIdAnswer(cat_ex_id=venue.cat_ex_id, name=venue.name)
