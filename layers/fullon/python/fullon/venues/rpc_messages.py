"""Questions to whoever reaches the venues, and the replies, as JSON. Pure.

Some processes cannot reach a venue: functions in the cloud have neither ccxt nor a way to the internet. They ask the
account daemon through Valkey (:mod:`rpc_client`, :mod:`rpc_server`). A request and its reply are joined by a
correlation id. Questions name things by their ids, and neither side ever sends a key; amounts are text, so that they
stay exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from fullon.kernel import errors as tree
from fullon.kernel.clock import from_milliseconds, to_milliseconds
from fullon.kernel.errors import FullonError
from fullon.venues import errors
from fullon.venues.account import Examination, Permissions
from fullon.venues.model import Market

#: A list of requests, the oldest first. No command touches two keys, so they may stand on any slots of a cluster.
REQUESTS = "rpc:venues:requests"

_EXACT = tuple(field.name for field in fields(Market) if "Decimal" in str(field.type))
_KINDS: Mapping[str, type[FullonError]] = {
    name: kind
    for module in (tree, errors)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, FullonError)
}


class Malformed(ValueError):
    """Not a message of this protocol."""


class UnexpectedAnswer(Exception):
    """The other side ran into something that nobody foresaw; its log says what."""


@dataclass(frozen=True, slots=True)
class ExamineAccount:
    """What may the keys of this account do? Answered by an :class:`Examination`."""

    uid: UUID
    ex_id: UUID


@dataclass(frozen=True, slots=True)
class ListMarkets:
    """What does this venue list? Answered by :class:`Market` values."""

    cat_ex_id: int


Question = ExamineAccount | ListMarkets


@dataclass(frozen=True, slots=True)
class Request:
    """A question of somebody who waits for the reply until ``deadline``, and not for a moment longer."""

    correlation_id: UUID
    deadline: datetime
    question: Question


def reply_key(correlation_id: UUID) -> str:
    """List of the one reply to a request."""
    return f"rpc:venues:reply:{correlation_id}"


def encode_request(request: Request) -> bytes:
    """For :data:`REQUESTS`."""
    match request.question:
        case ExamineAccount(uid, ex_id):
            asked: dict[str, Any] = {"question": "examine_account", "uid": str(uid), "ex_id": str(ex_id)}
        case ListMarkets(cat_ex_id):
            asked = {"question": "list_markets", "cat_ex_id": cat_ex_id}
    deadline = to_milliseconds(request.deadline)
    return orjson.dumps({"correlation_id": str(request.correlation_id), "deadline": deadline, **asked})


def decode_request(data: bytes) -> Request:
    """What :func:`encode_request` wrote.

    Raises:
        Malformed: it is something else.
    """
    try:
        asked: dict[str, Any] = orjson.loads(data)
        match asked["question"]:
            case "examine_account":
                question: Question = ExamineAccount(UUID(asked["uid"]), UUID(asked["ex_id"]))
            case "list_markets":
                question = ListMarkets(int(asked["cat_ex_id"]))
            case _:
                raise Malformed("no question that is known here")
        return Request(UUID(asked["correlation_id"]), from_milliseconds(int(asked["deadline"])), question)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise Malformed("not a request") from error


def encode_examination(found: Examination) -> bytes:
    """The reply to :class:`ExamineAccount`."""
    permissions = found.permissions.to_json()
    return orjson.dumps(
        {"found": {"permissions": permissions, "balances": found.balances, "clock_offset_ms": found.clock_offset_ms}}
    )


def decode_examination(data: bytes) -> Examination:
    """What :func:`encode_examination` wrote.

    Raises:
        FullonError: the same that kept the other side from finding it out.
        UnexpectedAnswer: it was another kind of failure.
    """
    found = _found(data)
    return Examination(Permissions.of_json(found["permissions"]), found["balances"], found["clock_offset_ms"])


def encode_markets(listed: list[Market]) -> bytes:
    """The reply to :class:`ListMarkets`."""
    return orjson.dumps({"found": listed}, default=_as_text)


def decode_markets(data: bytes) -> list[Market]:
    """What :func:`encode_markets` wrote; raises as :func:`decode_examination`."""
    return [Market(**{**each, **{name: _exact(each[name]) for name in _EXACT}}) for each in _found(data)]


def encode_failure(error: FullonError | None) -> bytes:
    """The reply where there is no answer; None for what nobody foresaw."""
    if error is None:
        return orjson.dumps({"failure": None})
    kinds = [kind.__name__ for kind in type(error).__mro__ if issubclass(kind, FullonError)]
    own = {name: value for name in ("fields", "retry_after") if (value := getattr(error, name, None)) is not None}
    failure = {"kinds": kinds, "detail": error.detail, "code": error.code, "facts": error.facts, "own": own}
    return orjson.dumps({"failure": failure}, default=_as_text)


def _found(data: bytes) -> Any:
    reply: dict[str, Any] = orjson.loads(data)
    if "failure" in reply:
        raise _failure(reply["failure"])
    return reply["found"]


def _failure(failure: Mapping[str, Any] | None) -> Exception:
    """The error that was written; the nearest kind that is known here, should the other side be newer."""
    kind = next((_KINDS[name] for name in failure["kinds"] if name in _KINDS), None) if failure else None
    if failure is None or kind is None:
        return UnexpectedAnswer("the account daemon failed at this; its log says why")
    error = kind.__new__(kind)  # each kind is made in its own way, and this one was made already
    FullonError.__init__(error, failure["detail"], code=failure["code"], **failure["facts"])
    for name, value in failure["own"].items():
        setattr(error, name, value)
    return error


def _exact(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _as_text(value: object) -> str:
    return str(value)
