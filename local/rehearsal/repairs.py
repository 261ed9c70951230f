"""Where MiniStack 1.5.33 does something else than AWS and the rehearsal cannot go on with it (docs/emulator.md)."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from local.rehearsal.deploy import Deployed

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2.client import ApiGatewayV2Client
    from mypy_boto3_ecs.client import ECSClient
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

AUTHORIZER = "AWS::ApiGatewayV2::Authorizer"
SECRET = "AWS::SecretsManager::Secret"  # noqa: S105 - a resource type
WITHOUT_PUNCTUATION = str.maketrans(string.punctuation, (string.ascii_letters)[: len(string.punctuation)])


def generated_secrets(client: SecretsManagerClient, template: Mapping[str, Any], deployed: Deployed) -> int:
    """Take the punctuation out of generated secrets whose template excludes it; MiniStack's CloudFormation does not.

    Returns:
        how many were changed.
    """
    changed = 0
    for logical, physical in deployed.of_type(SECRET).items():
        rule = template["Resources"][logical]["Properties"].get("GenerateSecretString", {})
        if not rule.get("ExcludePunctuation"):
            continue
        text = client.get_secret_value(SecretId=physical)["SecretString"]
        mended = _mended(text, rule.get("GenerateStringKey"))
        if mended != text:
            client.put_secret_value(SecretId=physical, SecretString=mended)
            changed += 1
    return changed


def _mended(text: str, key: str | None) -> str:
    if key is None:
        return text.translate(WITHOUT_PUNCTUATION)
    document = json.loads(text)
    return json.dumps({**document, key: document[key].translate(WITHOUT_PUNCTUATION)})


def authorizers(client: ApiGatewayV2Client, template: Mapping[str, Any], deployed: Deployed) -> int:
    """Take from authorizers the identity source that their template does not name.

    Without one API Gateway asks a WebSocket API's authorizer for every connection; MiniStack demands the header
    Authorization.

    Returns:
        how many were changed.
    """
    changed = 0
    for logical, physical in deployed.of_type(AUTHORIZER).items():
        properties = template["Resources"][logical]["Properties"]
        if "IdentitySource" in properties:
            continue
        api = deployed.resources[properties["ApiId"]["Ref"]]
        client.update_authorizer(ApiId=api, AuthorizerId=physical, IdentitySource=[])
        changed += 1
    return changed


def task_definitions(client: ECSClient) -> ECSClient:
    """Let a client understand MiniStack's task definitions.

    MiniStack 1.5.33 leaves `Name` and `ValueFrom` of a container's secrets as the template writes them, where ECS
    answers `name` and `valueFrom`; boto3 then drops them.
    """
    client.meta.events.register("before-parse.ecs.DescribeTaskDefinition", _name_as_ecs_does)
    return client


def _name_as_ecs_does(response_dict: dict[str, Any], **_: object) -> None:
    try:
        document = json.loads(response_dict["body"])
        containers = document["taskDefinition"]["containerDefinitions"]
    except (ValueError, LookupError, TypeError):
        return  # an error: nothing to repair
    for container in containers:
        container["secrets"] = [
            {name[0].lower() + name[1:]: value for name, value in secret.items()}
            for secret in container.get("secrets", [])
        ]
    response_dict["body"] = json.dumps(document).encode()
