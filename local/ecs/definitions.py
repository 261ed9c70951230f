"""Task definitions: register, describe, list. A revision never changes."""

from __future__ import annotations

from fullon.kernel.clock import Clock
from local.ecs.errors import client_error
from local.ecs.model import DEFAULT_STOP_TIMEOUT, Definition, Document
from local.ecs.names import Names, last_part
from local.ecs.request import Request, words
from local.ecs.state import State

LONGEST_STOP_TIMEOUT = 120
"""Of Fargate (API reference, ContainerDefinition.stopTimeout)."""
KEPT_AS_GIVEN = (
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "cpu",
    "memory",
    "requiresCompatibilities",
    "runtimePlatform",
    "ephemeralStorage",
)


class Definitions:
    """The actions on task definitions."""

    def __init__(self, state: State, names: Names, clock: Clock) -> None:
        self._state = state
        self._names = names
        self._clock = clock

    def register(self, request: Request) -> Document:
        family = request.name("family")
        containers = request.documents("containerDefinitions")
        if len(containers) != 1:
            raise client_error("This endpoint runs exactly one container per task.")
        container = _checked(containers[0])
        revision = len(self._state.definitions.get(family, [])) + 1
        document: Document = {
            "taskDefinitionArn": self._names.definition(family, revision),
            "family": family,
            "revision": revision,
            "status": "ACTIVE",
            "containerDefinitions": [container],
            "volumes": [],
            "placementConstraints": [],
            "compatibilities": ["EC2", "FARGATE"],
            "registeredAt": self._clock.now().timestamp(),
            **request.given(*KEPT_AS_GIVEN),
        }
        self._state.definitions.setdefault(family, []).append(Definition(family, revision, document))
        return {"taskDefinition": document, "tags": []}

    def describe(self, request: Request) -> Document:
        return {"taskDefinition": self.find(request.text("taskDefinition")).document, "tags": []}

    def list_arns(self, request: Request) -> Document:
        family = request.optional_text("familyPrefix")
        arns = [
            definition.arn
            for name, revisions in sorted(self._state.definitions.items())
            if family is None or name == family
            for definition in revisions
        ]
        if request.text("sort", "ASC") == "DESC":
            arns.reverse()
        page, token = request.page(arns, most=100, default=100)
        return {"taskDefinitionArns": page, **token}

    def find(self, reference: str) -> Definition:
        """By ``family`` (the newest), ``family:revision`` or ARN."""
        family, _, revision = last_part(reference).partition(":")
        revisions = self._state.definitions.get(family, [])
        for definition in reversed(revisions):
            if not revision or str(definition.revision) == revision:
                return definition
        raise client_error("Unable to describe task definition.")


def _checked(container: Document) -> Document:
    """A container definition with what ECS fills in."""
    name = Request(container).name("name")
    if not isinstance(container.get("image"), str) or not container["image"]:
        raise client_error("Container.image should not be null or empty.")
    for key in ("command", "entryPoint"):
        if key in container and not words(container[key]):
            raise client_error(f"Container.{key} should be a list of texts.")
    if not container.get("command") and not container.get("entryPoint"):
        raise client_error("There is no image here to take a command from: container.command should not be empty.")
    for pair in Request(container).documents("environment"):
        if not isinstance(pair.get("name"), str) or not isinstance(pair.get("value"), str) or not pair["name"]:
            raise client_error("Container.environment should be pairs of name and value.")
    seconds = container.get("stopTimeout", DEFAULT_STOP_TIMEOUT)
    if type(seconds) is not int or not 0 <= seconds <= LONGEST_STOP_TIMEOUT:
        raise client_error(f"Container.stopTimeout should be 0 to {LONGEST_STOP_TIMEOUT} seconds.")
    defaults = {
        "cpu": 0,
        "portMappings": [],
        "essential": True,
        "environment": [],
        "mountPoints": [],
        "volumesFrom": [],
    }
    return {**defaults, **container, "name": name}
