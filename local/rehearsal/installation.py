"""What the rehearsal needs to know of the deployed product: its secrets, its two APIs, who may log in.

Found by resource type and by the words in logical ids, so that the templates need no outputs for this alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local.errors import MachineProblem
from local.rehearsal.deploy import Deployed
from local.rehearsal.emulator import Emulator

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2.client import ApiGatewayV2Client
    from mypy_boto3_lambda.client import LambdaClient
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

FUNCTION = "AWS::Lambda::Function"
LOG_GROUP = "AWS::Logs::LogGroup"
API = "AWS::ApiGatewayV2::Api"


@dataclass
class Installation:
    """The stacks deployed so far."""

    emulator: Emulator
    stacks: list[Deployed] = field(default_factory=list)

    def secret(self, name: str) -> str | None:
        """The password that a secret holds, as plain text or in a login; None while no stack has it.

        The stack that makes a secret has an output `SecretNAME`.
        """
        key = f"Secret{name.capitalize()}"
        found = next((stack.outputs[key] for stack in self.stacks if key in stack.outputs), None)
        if found is None:
            return None
        client: SecretsManagerClient = self.emulator.client("secretsmanager")
        text = client.get_secret_value(SecretId=found)["SecretString"]
        return str(json.loads(text)["password"]) if text.startswith("{") else text

    def function(self, name: str) -> str:
        """The physical name of a function of the manifest.

        Raises:
            MachineProblem: no stack has it.
        """
        for _, physical in self._resources(FUNCTION):
            if physical.rpartition("-")[2] == name:
                return physical
        raise MachineProblem(f"No stack has the function {name}.")

    def variables(self, name: str) -> Mapping[str, str]:
        """The environment of a function."""
        client: LambdaClient = self.emulator.client("lambda")
        configuration = client.get_function_configuration(FunctionName=self.function(name))
        return configuration.get("Environment", {}).get("Variables", {})

    def invoke(self, name: str, event: Mapping[str, object]) -> str:
        """Run a function in the emulator and give its answer.

        Raises:
            MachineProblem: it failed; the sentence carries what it said.
        """
        client: LambdaClient = self.emulator.client("lambda")
        answer = client.invoke(FunctionName=self.function(name), Payload=json.dumps(event).encode())
        said = answer["Payload"].read().decode(errors="replace")
        if answer.get("FunctionError"):
            raise MachineProblem(f"The function {name} failed: {said[:600]}")
        return said

    def api(self, protocol: str) -> str:
        """Address of the stage of the API with a protocol, HTTP or WEBSOCKET.

        Raises:
            MachineProblem: there is not exactly one with exactly one stage.
        """
        client: ApiGatewayV2Client = self.emulator.client("apigatewayv2")
        ours = {physical for _, physical in self._resources(API)}
        found = [one for one in client.get_apis()["Items"] if one["ApiId"] in ours and one["ProtocolType"] == protocol]
        if len(found) != 1:
            raise MachineProblem(f"There should be one API with the protocol {protocol}, there are {len(found)}.")
        stages = client.get_stages(ApiId=found[0]["ApiId"])["Items"]
        if len(stages) != 1:
            raise MachineProblem(f"The {protocol} API should have one stage, it has {len(stages)}.")
        return self.emulator.api(found[0]["ApiId"], stages[0]["StageName"])

    def log_groups(self) -> list[str]:
        """Names of the functions' log groups."""
        return [name for _, name in self._resources(LOG_GROUP) if "/functions/" in name]

    def _resources(self, kind: str) -> Iterator[tuple[str, str]]:
        for stack in self.stacks:
            yield from stack.of_type(kind).items()
