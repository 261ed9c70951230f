"""The events that functions and the authorizer get, held against events recorded on AWS."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.local.platform import REPOSITORY, a_function, a_manifest, running_gateway

RECORDED = REPOSITORY.parent / "shared" / "data" / "aws-events"
PROXY_EVENTS = [
    "apiGatewayProxyV2Event",
    "apiGatewayProxyV2EventPathTrailingSlash",
    "apiGatewayProxyV2Event_GET",
    "apiGatewayProxyV2IamEvent",
    "apiGatewayProxyV2LambdaAuthorizerEvent",
    "apiGatewayProxyV2OtherGetEvent",
    "apiGatewayProxyV2SchemaMiddlwareInvalidEvent",
    "apiGatewayProxyV2SchemaMiddlwareValidEvent",
]
AUTHORIZER = "tests.local.functions_under_test.authorizer.handler"
NOT_OURS = {"stageVariables"}
NOT_OURS_IN_CONTEXT = {"authentication", "authorizer"}
"""Client certificates, and the other kinds of authorizer: this API has neither."""

needs_recordings = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded AWS events are not beside the tree")


def recorded(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text())
    return event


@asynccontextmanager
async def echoing(home: Path, *, authorised: bool = False) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a gateway whose only function answers with the event it got."""
    functions = [a_function("echo", routes=("/", "/{proxy+}", "/api/v1/orm/{proxy+}", "/users/{id}"))]
    if authorised:
        functions.append(a_function("authorizer", AUTHORIZER, kind="authorizer"))
    async with (
        running_gateway(a_manifest(*functions), home) as address,
        httpx2.AsyncClient(base_url=address, timeout=60) as client,
    ):
        yield client


async def event_of(client: httpx2.AsyncClient, method: str, url: str, **request: Any) -> dict[str, Any]:
    response = await client.request(method, url, **request)
    assert response.status_code == 200, response.text
    event: dict[str, Any] = response.json()["event"]
    return event


async def send_like(client: httpx2.AsyncClient, event: Mapping[str, Any], **more: str) -> dict[str, Any]:
    """Send the HTTP request that the recorded event came from, and give the event that it becomes here."""
    http = event["requestContext"]["http"]
    headers = [(name, part) for name, value in event["headers"].items() for part in value.split(",")]
    headers += [("cookie", "; ".join(event["cookies"])), ("user-agent", http["userAgent"]), *more.items()]
    if "body" in event:
        headers.append(("content-type", "application/json"))
    url = f"{event['rawPath']}?{event['rawQueryString']}"
    return await event_of(client, http["method"], url, headers=headers, content=event.get("body"))


@needs_recordings
@pytest.mark.parametrize("name", PROXY_EVENTS)
async def test_a_request_becomes_the_event_that_aws_made_of_it(tmp_path: Path, name: str) -> None:
    theirs = recorded(name)
    async with echoing(tmp_path) as client:
        ours = await send_like(client, theirs)

    assert set(theirs) - NOT_OURS <= set(ours)
    for key in ("version", "rawPath", "rawQueryString", "cookies", "queryStringParameters", "isBase64Encoded"):
        assert ours[key] == theirs[key], key
    assert ours.get("body") == theirs.get("body")
    for header, value in theirs["headers"].items():
        assert ours["headers"][header.lower()] == value
    assert_same_shape(ours["requestContext"], theirs["requestContext"])
    for key in ("method", "protocol", "userAgent"):
        assert ours["requestContext"]["http"][key] == theirs["requestContext"]["http"][key]
    # One recording lost the trailing slash here and kept it in rawPath; AWS gives both alike.
    assert ours["requestContext"]["http"]["path"] == theirs["rawPath"]
    assert ours["requestContext"]["stage"] == theirs["requestContext"]["stage"] == "$default"
    assert ours["requestContext"]["routeKey"] == ours["routeKey"] == "ANY /{proxy+}"
    assert ours["pathParameters"] == {"proxy": theirs["rawPath"].strip("/")}


def assert_same_shape(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Every recorded key exists, with a value of the same type and form."""
    assert set(theirs) - NOT_OURS_IN_CONTEXT == set(ours) - NOT_OURS_IN_CONTEXT
    assert set(theirs["http"]) == set(ours["http"])
    for key in set(theirs) - NOT_OURS_IN_CONTEXT:
        assert type(ours[key]) is type(theirs[key]), key
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", ours["time"])
    assert ours["timeEpoch"] > 1_500_000_000_000


@needs_recordings
async def test_the_context_of_the_authorizer_stands_where_aws_puts_it(tmp_path: Path) -> None:
    theirs = recorded("apiGatewayProxyV2LambdaAuthorizerEvent")
    async with echoing(tmp_path, authorised=True) as client:
        ours = await send_like(client, theirs, authorization="Bearer 123-456")

    context = ours["requestContext"]["authorizer"]["lambda"]
    assert isinstance(theirs["requestContext"]["authorizer"]["lambda"], dict)
    assert context["user_id"] == "123-456"
    assert all(isinstance(value, str) for value in context.values())


@needs_recordings
async def test_the_authorizer_gets_the_event_that_aws_gives_it(tmp_path: Path) -> None:
    theirs = recorded("apiGatewayAuthorizerV2Event")
    theirs["headers"]["Authorization"] = "Bearer allowed"
    async with echoing(tmp_path, authorised=True) as client:
        seen = await send_like(client, theirs)
    ours = json.loads(seen["requestContext"]["authorizer"]["lambda"]["event"])

    assert set(theirs) - NOT_OURS <= set(ours)
    assert ours["version"] == "2.0"
    assert ours["type"] == "REQUEST"
    assert ours["identitySource"] == ["Bearer allowed"]
    assert re.fullmatch(r"arn:aws:execute-api:[a-z0-9-]+:\d{12}:\w+/\$default/POST/merchants", ours["routeArn"])
    assert re.fullmatch(r"arn:aws:execute-api:[a-z0-9-]+:\d{12}:\w+/\w+/\w+/\w+", theirs["routeArn"])
    for key in ("rawPath", "rawQueryString", "cookies", "queryStringParameters"):
        assert ours[key] == theirs[key], key
    assert ours["headers"]["x-amzn-trace-id"] == theirs["headers"]["x-amzn-trace-id"]
    assert_same_shape(ours["requestContext"], theirs["requestContext"])
    assert "body" not in ours
    assert "isBase64Encoded" not in ours


async def test_repeated_headers_and_parameters_are_joined_by_commas(tmp_path: Path) -> None:
    async with echoing(tmp_path) as client:
        event = await event_of(client, "GET", "/a?x=1&y=&x=2%2C3&x=%C3%BC", headers=[("X-Many", "1"), ("x-many", "2")])

    assert event["headers"]["x-many"] == "1,2"
    assert event["queryStringParameters"] == {"x": "1,2,3,ü", "y": ""}
    assert event["rawQueryString"] == "x=1&y=&x=2%2C3&x=%C3%BC"


async def test_what_a_request_lacks_is_absent_and_not_empty(tmp_path: Path) -> None:
    async with echoing(tmp_path) as client:
        event = await event_of(client, "GET", "/")

    assert event["rawQueryString"] == ""
    assert not {"cookies", "queryStringParameters", "pathParameters", "body", "stageVariables"} & set(event)
    assert "authorizer" not in event["requestContext"]
    assert event["isBase64Encoded"] is False


async def test_cookies_are_taken_out_of_the_headers(tmp_path: Path) -> None:
    async with echoing(tmp_path) as client:
        event = await event_of(client, "GET", "/a", headers=[("Cookie", "a=1; b=2"), ("Cookie", "c=x=y")])

    assert event["cookies"] == ["a=1", "b=2", "c=x=y"]
    assert "cookie" not in event["headers"]


async def test_the_path_is_decoded_and_keeps_its_trailing_slash(tmp_path: Path) -> None:
    async with echoing(tmp_path) as client:
        event = await event_of(client, "GET", "/api/v1/orm/symbols/BTC%2FUSD%3ABTC/m%C3%BC/")

    assert event["rawPath"] == "/api/v1/orm/symbols/BTC/USD:BTC/mü/"
    assert event["requestContext"]["http"]["path"] == event["rawPath"]
    assert event["routeKey"] == "ANY /api/v1/orm/{proxy+}"
    assert event["pathParameters"] == {"proxy": "symbols/BTC/USD:BTC/mü"}


async def test_a_path_variable_is_a_path_parameter(tmp_path: Path) -> None:
    async with echoing(tmp_path) as client:
        event = await event_of(client, "GET", "/users/42")

    assert event["routeKey"] == "ANY /users/{id}"
    assert event["pathParameters"] == {"id": "42"}


@pytest.mark.parametrize(
    ("content_type", "encoded"),
    [
        ("application/json", False),
        ("application/json; charset=utf-8", False),
        ("text/csv", False),
        ("application/xml", False),
        ("application/javascript", False),
        ("application/x-www-form-urlencoded", True),
        ("application/octet-stream", True),
        ("image/png", True),
        ("multipart/form-data; boundary=x", True),
        (None, True),
    ],
)
async def test_only_text_types_travel_as_text(tmp_path: Path, content_type: str | None, encoded: bool) -> None:
    headers = {"content-type": content_type} if content_type else {}
    async with echoing(tmp_path) as client:
        event = await event_of(client, "POST", "/a", content=b"username=a&password=b", headers=headers)

    assert event["isBase64Encoded"] is encoded
    assert event["body"] == ("dXNlcm5hbWU9YSZwYXNzd29yZD1i" if encoded else "username=a&password=b")
    assert event["headers"]["content-length"] == "21"


async def test_text_that_is_not_utf_8_keeps_its_bytes(tmp_path: Path) -> None:
    async with echoing(tmp_path) as client:
        event = await event_of(client, "POST", "/a", content=b"\xff\xfe", headers={"content-type": "text/plain"})

    assert event["isBase64Encoded"] is True
    assert event["body"] == "//4="


async def test_the_source_address_is_the_peer_whatever_the_client_claims(tmp_path: Path) -> None:
    claims = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https", "x-forwarded-port": "443"}
    async with echoing(tmp_path) as client:
        event = await event_of(client, "GET", "/a", headers=claims)

    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
    assert event["headers"]["x-forwarded-for"] == "203.0.113.9, 127.0.0.1"
    assert event["headers"]["x-forwarded-proto"] == "http"
    assert event["headers"]["x-forwarded-port"] == str(client.base_url.port)


async def test_an_api_key_becomes_a_bearer_credential(tmp_path: Path) -> None:
    async with echoing(tmp_path) as client:
        with_key = await event_of(client, "GET", "/a", headers={"X-API-Key": "fo_abc_def"})
        with_both = await event_of(client, "GET", "/a", headers={"X-API-Key": "k", "Authorization": "Bearer t"})

    assert with_key["headers"]["authorization"] == "Bearer fo_abc_def"
    assert "x-api-key" not in with_key["headers"]
    assert with_both["headers"]["authorization"] == "Bearer t"


async def test_every_request_has_an_id_and_a_trace_of_its_own(tmp_path: Path) -> None:
    async with echoing(tmp_path) as client:
        first = await client.get("/a")
        second = await client.get("/a", headers={"x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678"})
        forged = await client.get("/a", headers={"x-amzn-trace-id": "no trace"})

    ids = [response.json()["event"]["requestContext"]["requestId"] for response in (first, second)]
    assert ids[0] != ids[1]
    assert first.headers["apigw-requestid"] == ids[0]
    assert first.json()["context"]["aws_request_id"] == ids[0]
    trace = first.json()["event"]["headers"]["x-amzn-trace-id"]
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", trace)
    assert first.json()["context"]["trace_id"] == f"{trace};Sampled=0"
    assert second.json()["context"]["trace_id"] == "Root=1-67891233-abcdef012345678912345678;Sampled=0"
    assert forged.json()["context"]["trace_id"].startswith("Root=1-")


async def test_hop_by_hop_headers_stay_at_the_gateway(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"a":'
        yield b"1}"

    async with echoing(tmp_path) as client:
        event = await event_of(
            client, "POST", "/a", content=chunks(), headers={"content-type": "application/json", "te": "trailers"}
        )

    assert event["body"] == '{"a":1}'
    assert event["headers"]["content-length"] == "7"
    assert not {"transfer-encoding", "connection", "te"} & set(event["headers"])


async def test_the_domain_is_the_host_that_was_asked(tmp_path: Path) -> None:
    async with echoing(tmp_path) as client:
        named = await event_of(client, "GET", "/a", headers={"host": "api.example.com:8443"})
        numeric = await event_of(client, "GET", "/a", headers={"host": "[::1]:8443"})

    assert named["requestContext"]["domainName"] == "api.example.com"
    assert named["requestContext"]["domainPrefix"] == "api"
    assert named["headers"]["host"] == "api.example.com:8443"
    assert numeric["requestContext"]["domainName"] == "::1"
