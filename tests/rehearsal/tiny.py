"""A tiny installation as a cloud assembly: two APIs with an authorizer, a daemon's service, a secret, a parameter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BUCKET = "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"
IN_ACCOUNT = {"Fn::Sub": BUCKET}

HANDLERS = """
import json, os, sys
import boto3

def authorize(event, context):
    given = (event.get("headers") or {}).get("authorization", "")
    query = event.get("queryStringParameters") or {}
    if "methodArn" in event:
        effect = "Allow" if query.get("ticket") == "good" else "Deny"
        statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        return {"principalId": "me", "policyDocument": policy, "context": {"user_id": "1"}}
    return {"isAuthorized": given == "Bearer good", "context": {"user_id": "1"}}

def answer(event, context):
    if event.get("rawPath") == "/fail":
        raise ValueError("as asked")
    if event.get("rawPath") == "/pid":
        return {"statusCode": 200, "body": str(os.getpid())}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps({
        "event": event, "greeting": os.environ["GREETING"], "password": os.environ["PASSWORD"],
        "remaining": context.get_remaining_time_in_millis(), "dont_write": sys.dont_write_bytecode})}

def socket(event, context):
    request = event["requestContext"]
    if request["routeKey"] == "push":
        client = boto3.client("apigatewaymanagementapi", endpoint_url=os.environ["AWS_ENDPOINT_URL"]
            + "/_aws/execute-api/%(apiId)s/%(stage)s" % request)
        target = json.loads(event["body"]).get("to", request["connectionId"])
        try:
            client.post_to_connection(ConnectionId=target, Data=b"pushed")
        except client.exceptions.GoneException as gone:
            return {"statusCode": 200, "body": "gone %d" % gone.response["ResponseMetadata"]["HTTPStatusCode"]}
        return {"statusCode": 200}
    return {"statusCode": 200, "body": json.dumps(event)}
"""


def _function(handler: str, **variables: Any) -> dict[str, Any]:
    properties = {
        "Runtime": "python3.11",
        "Handler": f"handlers.{handler}",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Timeout": 10,
        "Code": {"S3Bucket": IN_ACCOUNT, "S3Key": "code.zip"},
        "Environment": {"Variables": variables},
    }
    return {"Type": "AWS::Lambda::Function", "Properties": properties}


def _uri(function: str) -> dict[str, Any]:
    path = "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${" + function + ".Arn}/invocations"
    return {"Fn::Sub": path}


def _integration(api: str, function: str, **more: str) -> dict[str, Any]:
    properties = {"ApiId": {"Ref": api}, "IntegrationType": "AWS_PROXY", "IntegrationUri": _uri(function), **more}
    return {"Type": "AWS::ApiGatewayV2::Integration", "Properties": properties}


def _route(api: str, key: str, integration: str, authorizer: str | None = None) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "ApiId": {"Ref": api},
        "RouteKey": key,
        "Target": {"Fn::Join": ["/", ["integrations", {"Ref": integration}]]},
    }
    if authorizer:
        properties |= {"AuthorizationType": "CUSTOM", "AuthorizerId": {"Ref": authorizer}}
    return {"Type": "AWS::ApiGatewayV2::Route", "Properties": properties}


def base() -> dict[str, Any]:
    """The stack with what must be there first."""
    secret = {"SecretStringTemplate": '{"username":"fullon"}', "GenerateStringKey": "password", "PasswordLength": 20}
    return {
        "Parameters": {"Greeting": {"Type": "String"}},
        "Resources": {
            "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"GenerateSecretString": secret}}
        },
        "Outputs": {
            "Greeting": {"Value": {"Ref": "Greeting"}, "Export": {"Name": "greeting"}},
            "Secret": {"Value": {"Ref": "Secret"}, "Export": {"Name": "secret"}},
        },
    }


def apis() -> dict[str, Any]:
    """The stack with both APIs."""
    assume = {
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    }
    password = {
        "Fn::Sub": ["{{resolve:secretsmanager:${Arn}:SecretString:password::}}", {"Arn": {"Fn::ImportValue": "secret"}}]
    }
    return {
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": assume}},
            "Authorize": _function("authorize"),
            "Answer": _function("answer", GREETING={"Fn::ImportValue": "greeting"}, PASSWORD=password),
            "Socket": _function("socket"),
            "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "tiny", "ProtocolType": "HTTP"}},
            "Stage": {
                "Type": "AWS::ApiGatewayV2::Stage",
                "Properties": {"ApiId": {"Ref": "Api"}, "StageName": "$default", "AutoDeploy": True},
            },
            "Authorizer": {
                "Type": "AWS::ApiGatewayV2::Authorizer",
                "Properties": {
                    "ApiId": {"Ref": "Api"},
                    "Name": "credentials",
                    "AuthorizerType": "REQUEST",
                    "AuthorizerPayloadFormatVersion": "2.0",
                    "EnableSimpleResponses": True,
                    "AuthorizerResultTtlInSeconds": 60,
                    "IdentitySource": ["$request.header.Authorization"],
                    "AuthorizerUri": _uri("Authorize"),
                },
            },
            "Integration": _integration("Api", "Answer", PayloadFormatVersion="2.0"),
            "Route": _route("Api", "ANY /private/{proxy+}", "Integration", "Authorizer"),
            "Public": _route("Api", "ANY /public/{proxy+}", "Integration"),
            "Fail": _route("Api", "GET /fail", "Integration"),
            "Pid": _route("Api", "GET /pid", "Integration"),
            "Sockets": {
                "Type": "AWS::ApiGatewayV2::Api",
                "Properties": {
                    "Name": "sockets",
                    "ProtocolType": "WEBSOCKET",
                    "RouteSelectionExpression": "$request.body.action",
                },
            },
            "SocketStage": {
                "Type": "AWS::ApiGatewayV2::Stage",
                "Properties": {"ApiId": {"Ref": "Sockets"}, "StageName": "ws", "AutoDeploy": True},
            },
            "SocketAuthorizer": {
                "Type": "AWS::ApiGatewayV2::Authorizer",
                "Properties": {
                    "ApiId": {"Ref": "Sockets"},
                    "Name": "tickets",
                    "AuthorizerType": "REQUEST",
                    "IdentitySource": ["route.request.querystring.ticket"],
                    "AuthorizerUri": _uri("Authorize"),
                },
            },
            "SocketIntegration": _integration("Sockets", "Socket"),
            "Connect": _route("Sockets", "$connect", "SocketIntegration", "SocketAuthorizer"),
            "Disconnect": _route("Sockets", "$disconnect", "SocketIntegration"),
            "Default": _route("Sockets", "$default", "SocketIntegration"),
            "Push": _route("Sockets", "push", "SocketIntegration"),
        },
        "Outputs": {"Api": {"Value": {"Ref": "Api"}}, "Sockets": {"Value": {"Ref": "Sockets"}}},
    }


def daemons(command: list[str]) -> dict[str, Any]:
    """The stack with one service."""
    container = {
        "Name": "daemon",
        "Image": "example",
        "Command": command,
        "Essential": True,
        "StopTimeout": 5,
        "Environment": [{"Name": "GREETING", "Value": {"Fn::ImportValue": "greeting"}}],
        "Secrets": [
            {"Name": "PASSWORD", "ValueFrom": {"Fn::Join": ["", [{"Fn::ImportValue": "secret"}, ":password::"]]}}
        ],
    }
    return {
        "Resources": {
            "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": "tiny"}},
            "Task": {
                "Type": "AWS::ECS::TaskDefinition",
                "Properties": {
                    "Family": "worker",
                    "Cpu": "256",
                    "Memory": "512",
                    "NetworkMode": "awsvpc",
                    "RequiresCompatibilities": ["FARGATE"],
                    "ContainerDefinitions": [container],
                },
            },
            "Service": {
                "Type": "AWS::ECS::Service",
                "Properties": {
                    "ServiceName": "worker",
                    "Cluster": {"Ref": "Cluster"},
                    "TaskDefinition": {"Ref": "Task"},
                    "DesiredCount": 0,
                    "LaunchType": "FARGATE",
                    "DeploymentConfiguration": {"MinimumHealthyPercent": 0, "MaximumPercent": 100},
                },
            },
        }
    }


def assembly(folder: Path, templates: dict[str, tuple[dict[str, Any], list[str]]]) -> Path:
    """Write an assembly of templates, each with the names of those it needs; the functions' code is in all of them."""
    code = folder / "asset.code"
    code.mkdir(parents=True, exist_ok=True)
    (code / "handlers.py").write_text(HANDLERS)
    artifacts: dict[str, Any] = {}
    for name, (template, needs) in templates.items():
        (folder / f"{name}.template.json").write_text(json.dumps(template))
        files = {
            "code": {"source": {"path": "asset.code", "packaging": "zip"}, "key": "code.zip"},
            "template": {"source": {"path": f"{name}.template.json", "packaging": "file"}, "key": f"{name}.json"},
        }
        listed = {
            key: {"source": one["source"], "destinations": {"x": {"bucketName": BUCKET, "objectKey": one["key"]}}}
            for key, one in files.items()
        }
        (folder / f"{name}.assets.json").write_text(json.dumps({"files": listed, "dockerImages": {}}))
        artifacts[f"{name}.assets"] = {
            "type": "cdk:asset-manifest",
            "properties": {"file": f"{name}.assets.json"},
        }
        artifacts[name] = {
            "type": "aws:cloudformation:stack",
            "properties": {"templateFile": f"{name}.template.json", "stackName": f"tiny-{name.lower()}"},
            "dependencies": [*needs, f"{name}.assets"],
        }
    (folder / "manifest.json").write_text(json.dumps({"version": "55.0.0", "artifacts": artifacts}))
    return folder
