"""The API: one address, the action in the header ``X-Amz-Target``, JSON in and out (AWS JSON protocol 1.1)."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fullon.kernel.clock import Clock
from local.ecs.definitions import Definitions
from local.ecs.describe import Describe
from local.ecs.errors import EcsError, cluster_not_found
from local.ecs.model import Document
from local.ecs.names import Names, last_part
from local.ecs.request import Request
from local.ecs.services import Services
from local.ecs.signature import Verifier
from local.ecs.state import State, StateFile
from local.ecs.tasks import Tasks

TARGET = "AmazonEC2ContainerServiceV20141113."
LARGEST_BODY = 1_000_000

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_log = logging.getLogger("local.ecs")


class Application:
    """ASGI application of the endpoint."""

    def __init__(
        self,
        state: State,
        file: StateFile,
        verifier: Verifier,
        clock: Clock,
        names: Names,
        definitions: Definitions,
        services: Services,
        tasks: Tasks,
    ) -> None:
        self._state = state
        self._file = file
        self._verifier = verifier
        self._clock = clock
        self._names = names
        self._describe = Describe(state, names)
        self._reads: dict[str, Callable[[Request], Document]] = {
            "DescribeClusters": self._describe_clusters,
            "ListClusters": self._list_clusters,
            "DescribeTaskDefinition": definitions.describe,
            "ListTaskDefinitions": definitions.list_arns,
            "DescribeServices": self._in_cluster(services.describe),
            "ListServices": self._in_cluster(services.list_arns),
            "DescribeTasks": self._in_cluster(tasks.describe),
            "ListTasks": self._in_cluster(tasks.list_arns),
        }
        self._writes: dict[str, Callable[[Request], Document]] = {
            "CreateCluster": self._create_cluster,
            "RegisterTaskDefinition": definitions.register,
            "CreateService": self._in_cluster(services.create),
            "UpdateService": self._in_cluster(services.update),
            "DeleteService": self._in_cluster(services.delete),
            "RunTask": self._in_cluster(tasks.run),
            "StopTask": self._in_cluster(tasks.stop),
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "GET" and scope["path"] == "/health":
            await _answer(send, 200, {"status": "ok"})
            return
        action = ""
        try:
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
            body = await _body(receive)
            if scope["method"] != "POST":
                raise EcsError("InvalidAction", "Only POST is understood here.", 405)
            path = scope.get("raw_path", b"/").decode("latin-1")
            query = scope["query_string"].decode("latin-1")
            self._verifier.check(path, query, headers, body, self._clock.now())
            action = headers.get("x-amz-target", "").removeprefix(TARGET)
            await _answer(send, 200, await self._perform(action, Request(_parsed(body))))
        except EcsError as error:
            _log.info("refused", extra={"action": action, "code": error.code, "reason": error.message})
            await _answer(send, error.status, {"__type": error.code, "message": error.message})
        except Exception:  # noqa: BLE001 - an endpoint that dies takes all daemons with it; logged whole
            _log.exception("request failed", extra={"action": action})
            await _answer(send, 500, {"__type": "ServerException", "message": "The endpoint failed; see its log."})

    async def _perform(self, action: str, request: Request) -> Document:
        if action in self._reads:
            return self._reads[action](request)
        if action not in self._writes:
            raise EcsError("UnknownOperationException", "This endpoint does not know that operation.")
        answer = self._writes[action](request)
        try:
            await self._file.save(self._state)
        except OSError as error:
            message = f"The state could not be written: {error.strerror}."
            raise EcsError("ServerException", message, 500) from error
        return answer

    def _in_cluster(self, work: Callable[[str, Request], Document]) -> Callable[[Request], Document]:
        def perform(request: Request) -> Document:
            cluster = last_part(request.text("cluster", "default"))
            if cluster not in self._state.clusters:
                raise cluster_not_found()
            return work(cluster, request)

        return perform

    def _create_cluster(self, request: Request) -> Document:
        name = request.name("clusterName") if request.given("clusterName") else "default"
        if name not in self._state.clusters:
            self._state.clusters.append(name)
        return {"cluster": self._describe.cluster(name)}

    def _describe_clusters(self, request: Request) -> Document:
        found, failures = [], []
        for reference in request.optional_texts("clusters", most=100) or ["default"]:
            name = last_part(reference)
            if name in self._state.clusters:
                found.append(self._describe.cluster(name))
            else:
                failures.append({"arn": self._names.cluster(name), "reason": "MISSING"})
        return {"clusters": found, "failures": failures}

    def _list_clusters(self, request: Request) -> Document:
        page, token = request.page([self._names.cluster(name) for name in self._state.clusters], 100, 100)
        return {"clusterArns": page, **token}


def _parsed(body: bytes) -> Document:
    try:
        document = json.loads(body or b"{}")
    except ValueError as error:
        raise EcsError("SerializationException", "The request is not JSON.") from error
    if not isinstance(document, dict):
        raise EcsError("SerializationException", "The request is not a structure.")
    return document


async def _body(receive: Receive) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST_BODY:
            raise EcsError("RequestEntityTooLargeException", "The request is too large.", 413)
        if not message.get("more_body"):
            return b"".join(parts)


async def _answer(send: Send, status: int, document: Document) -> None:
    body = json.dumps(document).encode()
    headers = [
        (b"content-type", b"application/x-amz-json-1.1"),
        (b"content-length", str(len(body)).encode()),
        (b"x-amzn-requestid", str(uuid.uuid4()).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
