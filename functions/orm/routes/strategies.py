"""The catalogue of strategies, and those of the caller's bots."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from fullon.bots import store as bots
from fullon.runtime.audited import act
from fullon.runtime.http import AdminCaller, Caller, Stores, TradingCaller
from fullon.runtime.pages import Cursor, Limit, Page, decode_id_cursor, page_of
from fullon.runtime.problems import responses
from fullon.strategies import catalogue, store
from functions.orm.routes.bots import own
from functions.orm.strategy_schemas import (
    CatalogueAnswer,
    CatalogueIdAnswer,
    NewCatalogueStrategy,
    NewStrategy,
    ParameterAnswer,
    ParametersChange,
    StrategyAnswer,
    StrategyReplacement,
)

router = APIRouter(prefix="/api/v1/orm/strategies")

CatalogueId = Annotated[int, Path(ge=1, lt=2**31, description="Number of the strategy in the catalogue.")]


@router.get("/catalog", operation_id="list_strategy_catalogue", summary="The catalogue", responses=responses(401, 403))
async def list_strategy_catalogue(caller: Caller, stores: Stores) -> Page[CatalogueAnswer]:
    async with stores.connection() as connection:
        return Page(items=[CatalogueAnswer.of(each) for each in await catalogue.listing(connection)])


@router.post(
    "/catalog",
    operation_id="create_catalogue_strategy",
    summary="Enter a strategy into the catalogue",
    status_code=201,
    responses=responses(401, 403, 409),
)
async def create_catalogue_strategy(body: NewCatalogueStrategy, caller: AdminCaller, stores: Stores) -> CatalogueAnswer:
    parameters = [each.parameter() for each in body.parameters]
    async with act(stores, caller, "create_catalogue_strategy", name=body.name) as doing:
        made = await catalogue.add(doing.connection, body.name, body.title, body.description, parameters)
        doing.subject = f"catalogue strategy {made.cat_str_id}"
    return CatalogueAnswer.of(made)


@router.get(
    "/catalog/{cat_str_id}",
    operation_id="get_catalogue_strategy",
    summary="A strategy of the catalogue",
    responses=responses(401, 403, 404),
)
async def get_catalogue_strategy(cat_str_id: CatalogueId, caller: Caller, stores: Stores) -> CatalogueAnswer:
    async with stores.connection() as connection:
        return CatalogueAnswer.of(await catalogue.get(connection, cat_str_id))


@router.delete(
    "/catalog/{cat_str_id}",
    operation_id="delete_catalogue_strategy",
    summary="Take a strategy out of the catalogue",
    description="Those that come with the platform, and those that bots run, cannot be deleted.",
    status_code=204,
    responses=responses(401, 403, 404, 409),
)
async def delete_catalogue_strategy(cat_str_id: CatalogueId, caller: AdminCaller, stores: Stores) -> Response:
    async with act(stores, caller, "delete_catalogue_strategy", f"catalogue strategy {cat_str_id}") as doing:
        await catalogue.delete(doing.connection, cat_str_id)
    return Response(status_code=204)


@router.get(
    "/catalog/{cat_str_id}/params",
    operation_id="list_catalogue_parameters",
    summary="The parameters of a strategy of the catalogue",
    responses=responses(401, 403, 404),
)
async def list_catalogue_parameters(cat_str_id: CatalogueId, caller: Caller, stores: Stores) -> Page[ParameterAnswer]:
    async with stores.connection() as connection:
        return Page(items=[ParameterAnswer.of(each) for each in await catalogue.parameters(connection, cat_str_id)])


@router.get(
    "/catalog-id",
    operation_id="get_catalogue_strategy_id",
    summary="The number of a strategy by its name",
    responses=responses(401, 403, 404),
)
async def get_catalogue_strategy_id(
    name: Annotated[str, Query(max_length=60, pattern=r"^[^\x00]*$", examples=["rsi_long"])],
    caller: Caller,
    stores: Stores,
) -> CatalogueIdAnswer:
    async with stores.connection() as connection:
        return CatalogueIdAnswer(cat_str_id=(await catalogue.named(connection, name)).cat_str_id)


@router.get(
    "/user-strategies",
    operation_id="list_my_strategies",
    summary="The strategies of all one's own bots, oldest first",
    responses=responses(401, 403),
)
async def list_my_strategies(
    caller: Caller, stores: Stores, limit: Limit = 50, cursor: Cursor = None
) -> Page[StrategyAnswer]:
    after = decode_id_cursor(cursor)
    async with stores.connection() as connection:
        found = await store.listing(connection, caller.user_id, after=after, limit=limit + 1)
    return page_of(found, limit, StrategyAnswer.of, lambda strategy: strategy.str_id)


@router.get(
    "/bot-strategies",
    operation_id="list_bot_strategies",
    summary="The strategies of a bot, oldest first",
    responses=responses(401, 403, 404),
)
async def list_bot_strategies(bot_id: UUID, caller: Caller, stores: Stores) -> Page[StrategyAnswer]:
    async with stores.connection() as connection:
        await bots.get(connection, caller.user_id, bot_id)
        found = await store.listing(connection, caller.user_id, bot_id=bot_id)
    return Page(items=[StrategyAnswer.of(each) for each in found])


@router.post(
    "/bot-strategies",
    operation_id="create_bot_strategy",
    summary="Give a bot a strategy",
    status_code=201,
    responses=responses(401, 403, 404, 409),
)
async def create_bot_strategy(body: NewStrategy, caller: TradingCaller, stores: Stores) -> StrategyAnswer:
    own(body.uid, caller)
    async with act(stores, caller, "create_bot_strategy", bot=str(body.bot_id), cat_str_id=body.cat_str_id) as doing:
        await bots.get(doing.connection, caller.user_id, body.bot_id)
        made = await store.add(
            doing.connection,
            stores.clock,
            caller.user_id,
            body.bot_id,
            cat_str_id=body.cat_str_id,
            name=body.name,
            active=body.active,
            settings=body.settings(),
            parameters=dict(body.parameters),
        )
        doing.subject = f"strategy {made.str_id}"
    return StrategyAnswer.of(made)


@router.get(
    "/bot-strategies/{str_id}",
    operation_id="get_bot_strategy",
    summary="A strategy of a bot",
    responses=responses(401, 403, 404),
)
async def get_bot_strategy(str_id: UUID, caller: Caller, stores: Stores) -> StrategyAnswer:
    async with stores.connection() as connection:
        return StrategyAnswer.of(await store.get(connection, caller.user_id, str_id))


@router.put(
    "/bot-strategies/{str_id}",
    operation_id="replace_bot_strategy",
    summary="Write a strategy's record anew",
    description="Settings that are left out get their defaults; parameters that are left out keep their values.",
    responses=responses(401, 403, 404, 409),
)
async def replace_bot_strategy(
    str_id: UUID, body: StrategyReplacement, caller: TradingCaller, stores: Stores
) -> StrategyAnswer:
    values = {"name": body.name, "active": body.active, **body.columns()}
    parameters = None if body.parameters is None else dict(body.parameters)
    async with act(stores, caller, "replace_bot_strategy", f"strategy {str_id}") as doing:
        changed = await store.change(doing.connection, stores.clock, caller.user_id, str_id, values, parameters)
    return StrategyAnswer.of(changed)


@router.patch(
    "/bot-strategies/{str_id}/params",
    operation_id="change_bot_strategy_parameters",
    summary="Change parameters of a strategy",
    responses=responses(401, 403, 404),
)
async def change_bot_strategy_parameters(
    str_id: UUID, body: ParametersChange, caller: TradingCaller, stores: Stores
) -> StrategyAnswer:
    names = sorted(body.parameters)
    async with act(stores, caller, "change_bot_strategy_parameters", f"strategy {str_id}", fields=names) as doing:
        changed = await store.change(doing.connection, stores.clock, caller.user_id, str_id, {}, body.values())
    return StrategyAnswer.of(changed)


@router.delete(
    "/bot-strategies/{str_id}",
    operation_id="delete_bot_strategy",
    summary="Remove a strategy with its feeds",
    status_code=204,
    responses=responses(401, 403, 404),
)
async def delete_bot_strategy(str_id: UUID, caller: TradingCaller, stores: Stores) -> Response:
    async with act(stores, caller, "delete_bot_strategy", f"strategy {str_id}") as doing:
        await store.delete(doing.connection, caller.user_id, str_id)
    return Response(status_code=204)
