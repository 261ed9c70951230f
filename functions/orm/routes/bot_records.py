"""What is kept of a bot's work: its log and its simulations. A foreign bot answers exactly as a missing one."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from fullon.bots import store
from fullon.bots.model import Level
from fullon.kernel.errors import Invalid
from fullon.runtime.audited import act
from fullon.runtime.http import Caller, Stores, TradingCaller
from fullon.runtime.pages import Cursor, Limit, Page, decode_cursor, decode_id_cursor, page_of
from fullon.runtime.problems import responses
from functions.orm.bot_schemas import LastLogAnswer, LogAnswer, NewSimulation, SimulationAnswer

router = APIRouter(prefix="/api/v1/orm/bots")

LONGEST_LOG = 2**63


@router.get(
    "/{bot_id}/actions",
    operation_id="list_actions_of_bot",
    summary="A bot's log, newest first",
    responses=responses(401, 403, 404),
)
async def list_actions_of_bot(
    bot_id: UUID,
    caller: Caller,
    stores: Stores,
    level: Annotated[Level | None, Query(description="Only lines of this level.")] = None,
    action: Annotated[str | None, Query(max_length=100, pattern=r"^[^\x00]*$", description="Only this action.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[LogAnswer]:
    async with stores.connection() as connection:
        await store.get(connection, caller.user_id, bot_id)
        found = await store.log(
            connection,
            caller.user_id,
            bot_id,
            level=level,
            action=action,
            before=_log_cursor(cursor),
            limit=limit + 1,
        )
    return page_of(found, limit, LogAnswer.of, lambda line: line.log_id)


@router.get(
    "/{bot_id}/last-log",
    operation_id="get_last_log_of_bot",
    summary="The newest line of a bot's log",
    responses=responses(401, 403, 404),
)
async def get_last_log_of_bot(bot_id: UUID, caller: Caller, stores: Stores) -> LastLogAnswer:
    async with stores.connection() as connection:
        await store.get(connection, caller.user_id, bot_id)
        found = await store.log(connection, caller.user_id, bot_id, limit=1)
    return LastLogAnswer(line=LogAnswer.of(found[0]) if found else None)


@router.get(
    "/{bot_id}/simulations",
    operation_id="list_simulations_of_bot",
    summary="Kept simulations of a bot, newest first",
    responses=responses(401, 403, 404),
)
async def list_simulations_of_bot(
    bot_id: UUID, caller: Caller, stores: Stores, limit: Limit = 50, cursor: Cursor = None
) -> Page[SimulationAnswer]:
    async with stores.connection() as connection:
        await store.get(connection, caller.user_id, bot_id)
        found = await store.simulations(
            connection, caller.user_id, bot_id, before=decode_id_cursor(cursor), limit=limit + 1
        )
    return page_of(found, limit, SimulationAnswer.of, lambda simulation: simulation.sim_id)


@router.post(
    "/{bot_id}/simulations",
    operation_id="keep_simulation",
    summary="Keep the result of a simulation",
    status_code=201,
    responses=responses(401, 403, 404),
)
async def keep_simulation(bot_id: UUID, body: NewSimulation, caller: TradingCaller, stores: Stores) -> SimulationAnswer:
    async with act(stores, caller, "keep_simulation", f"bot {bot_id}") as doing:
        made = await store.add_simulation(
            doing.connection,
            stores.clock,
            caller.user_id,
            bot_id,
            window_from=body.window_from,
            window_until=body.window_until,
            settings=body.settings,
            result=body.result,
        )
        doing.details["simulation"] = str(made.sim_id)
    return SimulationAnswer.of(made)


def _log_cursor(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    match decode_cursor(cursor, 1):
        case [int(number)] if 0 <= number < LONGEST_LOG:
            return number
    raise Invalid("The cursor is not one of this list.", fields={"cursor": "not a cursor of this list"})
