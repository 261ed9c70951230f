"""The first call of each function: what is sent, and which answers will do."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from fullon.runtime import manifest
from local.errors import MachineProblem
from local.rehearsal.first_calls import call_each, event_for, status_of


@dataclass
class Answering:
    """Stands in for an installation: every function gives one answer."""

    answer: str
    asked: list[str] = field(default_factory=list)

    def invoke(self, name: str, event: object) -> str:
        assert event
        self.asked.append(name)
        return self.answer


async def test_every_http_function_is_called_once() -> None:
    listed = manifest.load()
    installation = Answering('{"statusCode": 401, "body": "{}"}')

    statuses = await call_each(installation, listed)  # type: ignore[arg-type]

    names = [function.name for function in listed.of_kind("http")]
    assert sorted(installation.asked) == sorted(names)
    assert statuses == dict.fromkeys(names, 401)


def test_the_call_is_below_the_functions_own_route_and_without_identity() -> None:
    event = event_for(manifest.load().function("orm"))

    assert event["rawPath"] == "/api/v1/orm/nothing-here"
    assert "authorizer" not in event["requestContext"]


@pytest.mark.parametrize(
    "answer", ["", "null", "[]", json.dumps({"errorMessage": "x"}), json.dumps({"statusCode": 502})]
)
def test_an_answer_that_will_not_do_names_the_function(answer: str) -> None:
    with pytest.raises(MachineProblem, match="The function orm "):
        status_of("orm", answer)
