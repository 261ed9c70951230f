"""Where MiniStack differs from AWS. Each test shows the difference first, so a repair that is needless is seen."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

from local.rehearsal import repairs
from local.rehearsal.assembly import read
from local.rehearsal.deploy import Deployer
from local.rehearsal.emulator import Emulator
from local.rehearsal.installation import Installation
from local.rehearsal.logs import LogFetcher
from tests.rehearsal import tiny
from tests.rehearsal.conftest import Installed

PUNCTUATION = set(string.punctuation)
PLAIN = {"PasswordLength": 400, "ExcludePunctuation": True}


def secret(rule: dict[str, Any]) -> dict[str, Any]:
    return {"Type": "AWS::SecretsManager::Secret", "Properties": {"GenerateSecretString": rule}}


async def test_punctuation_that_a_template_excludes_is_taken_out_of_its_secrets(
    emulator: Emulator, tmp_path: Path
) -> None:
    login = {**PLAIN, "SecretStringTemplate": '{"username":"fullon"}', "GenerateStringKey": "password"}
    template = {
        "Resources": {"Text": secret(PLAIN), "Login": secret(login), "Any": secret({"PasswordLength": 400})},
        "Outputs": {"SecretText": {"Value": {"Ref": "Text"}}, "SecretLogin": {"Value": {"Ref": "Login"}}},
    }
    [stack] = read(tiny.assembly(tmp_path, {"Secrets": (template, [])}))
    deployed = await Deployer(emulator).deploy(stack)
    client = emulator.client("secretsmanager")

    def value(logical: str) -> str:
        return str(client.get_secret_value(SecretId=deployed.resources[logical])["SecretString"])

    before, left_alone = value("Text"), value("Any")
    changed = repairs.generated_secrets(client, template, deployed)

    assert PUNCTUATION & set(before)
    assert changed == 2
    assert not PUNCTUATION & set(value("Text") + json.loads(value("Login"))["password"])
    assert json.loads(value("Login"))["username"] == "fullon"
    assert value("Any") == left_alone
    installation = Installation(emulator, [deployed])
    assert installation.secret("text") == value("Text")
    assert installation.secret("login") == json.loads(value("Login"))["password"]
    assert installation.secret("absent") is None


async def test_an_authorizer_without_identity_source_is_asked_for_every_connection(
    emulator: Emulator, tmp_path: Path
) -> None:
    api = {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "s", "ProtocolType": "WEBSOCKET"}}
    properties = {"ApiId": {"Ref": "Sockets"}, "Name": "a", "AuthorizerType": "REQUEST", "AuthorizerUri": "arn:x"}
    template = {
        "Resources": {"Sockets": api, "Open": {"Type": "AWS::ApiGatewayV2::Authorizer", "Properties": properties}}
    }
    [stack] = read(tiny.assembly(tmp_path, {"Authorizers": (template, [])}))
    deployed = await Deployer(emulator).deploy(stack)
    client = emulator.client("apigatewayv2")

    def sources() -> list[str]:
        [found] = client.get_authorizers(ApiId=deployed.resources["Sockets"])["Items"]
        return list(found.get("IdentitySource", []))

    before = sources()
    changed = repairs.authorizers(client, template, deployed)

    assert before == ["$request.header.Authorization"]
    assert (changed, sources()) == (1, [])


def test_authorizers_that_name_their_source_stay_as_they_are(installed: Installed) -> None:
    client = installed.emulator.client("apigatewayv2")

    assert repairs.authorizers(client, tiny.apis(), installed.stacks["Apis"]) == 0


def test_secrets_of_a_container_have_their_ecs_names(installed: Installed) -> None:
    definition = installed.stacks["Daemons"].resources["Task"]
    plain, mended = installed.emulator.client("ecs"), repairs.task_definitions(installed.emulator.client("ecs"))

    def secrets(client: Any) -> list[dict[str, str]]:
        described = client.describe_task_definition(taskDefinition=definition)["taskDefinition"]
        return list(described["containerDefinitions"][0]["secrets"])

    assert secrets(plain) == [{}]
    assert [one["name"] for one in secrets(mended)] == ["PASSWORD"]


async def test_log_events_are_fetched_once_each(installed: Installed, tmp_path: Path) -> None:
    client = installed.emulator.client("logs")
    client.create_log_group(logGroupName="/tiny/functions/one")
    client.create_log_stream(logGroupName="/tiny/functions/one", logStreamName="s")

    def write(*messages: str) -> None:
        events = [{"timestamp": 1_795_000_000_000 + ord(text[0]), "message": text} for text in messages]
        client.put_log_events(logGroupName="/tiny/functions/one", logStreamName="s", logEvents=events)

    fetcher = LogFetcher(installed.emulator, ["/tiny/functions/one"], tmp_path)
    write("a first", "b second")
    await fetcher.fetch()
    write("b again", "c third")
    await fetcher.fetch()
    await fetcher.fetch()

    assert (tmp_path / "one.log").read_text().splitlines() == ["a first", "b second", "b again", "c third"]
