"""Requests through the gateway: routes, what functions may answer, limits, and answers of the gateway itself."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fullon.runtime.gateway.bodies import BodyTooLarge, read_body
from fullon.runtime.gateway.invocation import PAYLOAD_LIMIT
from fullon.runtime.manifest import Manifest
from tests.local.platform import a_function, a_manifest, running_gateway, until

WEB = "tests.local.functions_under_test.web.handler"
BROKEN = "tests.local.functions_under_test.broken.handler"


@asynccontextmanager
async def client_of(manifest: Manifest, home: Path, **settings: Any) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        running_gateway(manifest, home, **settings) as address,
        httpx2.AsyncClient(base_url=address, timeout=60) as client,
    ):
        yield client


def responding() -> Manifest:
    """A function that answers with whatever JSON it is sent."""
    return a_manifest(a_function("respond", routes=("/respond",)))


def assert_problem(response: httpx2.Response, status: int, message: str, code: str) -> None:
    """The answer is AWS's message inside a problem document, and can be traced."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["message"] == message
    assert document["status"] == status
    assert document["code"] == code
    assert document["type"] == f"/docs/problems/{code}"
    assert document["title"]
    assert document["detail"].endswith(".")
    assert document["request_id"] == response.headers["apigw-requestid"] == response.headers["x-request-id"]


# Applications behind Mangum


async def test_an_application_answers_through_the_gateway(tmp_path: Path) -> None:
    async with client_of(a_manifest(a_function("web", WEB, routes=("/api/v1/web/{proxy+}",))), tmp_path) as client:
        hello = await client.get("/api/v1/web/hello")
        form = await client.post("/api/v1/web/form", data={"username": "a@b", "password": "ö&="})
        image = await client.get("/api/v1/web/image")
        cookies = await client.get("/api/v1/web/cookies", headers={"cookie": "seen=yes; also=this"})
        echo = await client.get("/api/v1/web/echo/BTC%2FUSD:BTC?a=1&a=2&b=%20")
        missing = await client.get("/api/v1/web/nothing")

        assert hello.json() == {"hello": "world"}
        assert hello.headers["content-type"] == "application/json"
        assert form.json() == {"username": "a@b", "password": "ö&="}
        assert image.content == b"\x89PNG\r\n\x1a\n\x00\xff"
        assert cookies.text == "{'seen': 'yes', 'also': 'this'}"
        assert [value.partition(";")[0] for value in cookies.headers.get_list("set-cookie")] == ["first=1", "second=2"]
        assert echo.json()["rest"] == "BTC/USD:BTC"
        assert echo.json()["query"] == [["a", "1"], ["a", "2"], ["b", " "]]
        assert missing.status_code == 404
        assert missing.json() == {"detail": "Not Found"}


async def test_connections_are_kept_and_reused(tmp_path: Path) -> None:
    async with client_of(a_manifest(a_function("echo", routes=("/a",))), tmp_path) as client:
        _, writer = streams = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        bodies = [await raw_request(streams, b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(3)]
        writer.close()

        assert [json.loads(body)["calls"] for _, body in bodies] == [1, 2, 3]


async def raw_request(
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: bytes
) -> tuple[bytes, bytes]:
    reader, writer = streams
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    return head, await reader.readexactly(length)


# What a function may answer


@pytest.mark.parametrize(
    ("answer", "status", "content_type", "body"),
    [
        ({"statusCode": 201, "body": "made"}, 201, "text/plain;charset=UTF-8", b"made"),
        ({"statusCode": "202", "body": "soon"}, 202, "text/plain;charset=UTF-8", b"soon"),
        ({"statusCode": 200, "headers": {"Content-Type": "text/csv"}, "body": "a,b"}, 200, "text/csv", b"a,b"),
        (
            {"statusCode": 200, "body": "AAH/", "isBase64Encoded": True},
            200,
            "text/plain;charset=UTF-8",
            b"\x00\x01\xff",
        ),
        ({"statusCode": 200}, 200, "text/plain;charset=UTF-8", b""),
        ({"message": "no status"}, 200, "application/json", b'{"message": "no status"}'),
        ("just a text", 200, "application/json", b"just a text"),
        ([1, 2.5, None], 200, "application/json", b"[1, 2.5, null]"),
        (None, 200, "application/json", b"null"),
    ],
    ids=["full", "status as text", "own type", "base64", "no body", "inferred", "text", "list", "null"],
)
async def test_answers_in_both_formats_become_responses(
    tmp_path: Path, answer: Any, status: int, content_type: str, body: bytes
) -> None:
    async with client_of(responding(), tmp_path) as client:
        response = await client.post("/respond", json=answer)

        assert response.status_code == status
        assert response.headers["content-type"] == content_type
        assert response.content == body
        assert response.headers["content-length"] == str(len(body))
        assert response.headers["apigw-requestid"]


async def test_headers_and_cookies_of_an_answer_arrive(tmp_path: Path) -> None:
    answer = {
        "statusCode": 200,
        "headers": {"X-Number": 5, "x-flag": True, "X-Text": "a, b", "Content-Length": "999", "Connection": "close"},
        "cookies": ["a=1; Path=/", "b=2"],
        "multiValueHeaders": {"x-ignored": ["format 1.0"]},
    }
    async with client_of(responding(), tmp_path) as client:
        response = await client.post("/respond", json=answer)

        assert response.headers["x-number"] == "5"
        assert response.headers["x-flag"] == "true"
        assert response.headers["x-text"] == "a, b"
        assert response.headers["content-length"] == "0"
        assert response.headers.get_list("set-cookie") == ["a=1; Path=/", "b=2"]
        assert "x-ignored" not in response.headers
        assert response.headers.get("connection") != "close"


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "fine"},
        {"statusCode": 99},
        {"statusCode": 100},
        {"statusCode": 600},
        {"statusCode": True},
        {"statusCode": None},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "body": "AAH", "isBase64Encoded": True},
        {"statusCode": 200, "body": "AA!!H/", "isBase64Encoded": True},
        {"statusCode": 200, "headers": ["a", "b"]},
        {"statusCode": 200, "headers": {"a": ["list"]}},
        {"statusCode": 200, "headers": {"a": "b\r\nSet-Cookie: stolen=1"}},
        {"statusCode": 200, "headers": {"a\r\nb": "c"}},
        {"statusCode": 200, "cookies": "a=1"},
        {"statusCode": 200, "cookies": ["a=1\r\nx: y"]},
    ],
)
async def test_a_malformed_answer_is_502(tmp_path: Path, answer: Any) -> None:
    async with client_of(responding(), tmp_path) as client:
        response = await client.post("/respond", json=answer)

        assert_problem(response, 502, "Bad Gateway", "bad_function_answer")


async def test_statuses_without_a_body_have_none(tmp_path: Path) -> None:
    async with client_of(responding(), tmp_path) as client:
        for status in (204, 304):
            response = await client.post("/respond", json={"statusCode": status, "body": "ignored"})

            assert response.status_code == status
            assert response.content == b""
            assert "content-length" not in response.headers


async def test_head_asks_the_function_and_sends_no_body(tmp_path: Path) -> None:
    async with client_of(a_manifest(a_function("echo", routes=("/a",))), tmp_path) as client:
        response = await client.head("/a")
        after = await client.get("/a")

        assert response.status_code == 200
        assert response.content == b""
        assert int(response.headers["content-length"]) > 0
        assert after.json()["calls"] == 2


async def test_options_reaches_the_function_without_a_cors_configuration(tmp_path: Path) -> None:
    async with client_of(a_manifest(a_function("echo", routes=("/a",))), tmp_path) as client:
        response = await client.options("/a", headers={"origin": "https://a.example"})

        assert response.json()["event"]["requestContext"]["http"]["method"] == "OPTIONS"


# Answers of the gateway itself


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/api/v1/web", "/api/v1/web/", "/api/v1/webs/x", "//", "/ws", "/app"]
)
async def test_an_address_without_a_route_is_404(tmp_path: Path, path: str) -> None:
    async with client_of(a_manifest(a_function("web", WEB, routes=("/api/v1/web/{proxy+}",))), tmp_path) as client:
        response = await client.get(f"{client.base_url}".rstrip("/") + path)

        assert_problem(response, 404, "Not Found", "route_not_found")


async def test_a_function_that_raises_is_502_and_its_words_stay_inside(tmp_path: Path) -> None:
    async with client_of(a_manifest(a_function("fail", routes=("/a",))), tmp_path) as client:
        response = await client.get("/a")

        assert_problem(response, 502, "Bad Gateway", "function_error")
        assert "secret" not in response.text


async def test_a_crashed_function_is_502(tmp_path: Path) -> None:
    async with client_of(a_manifest(a_function("crash", routes=("/a",))), tmp_path) as client:
        response = await client.get("/a")

        assert_problem(response, 502, "Bad Gateway", "function_crashed")


async def test_a_function_that_cannot_be_loaded_is_502_and_the_others_go_on(tmp_path: Path) -> None:
    functions = [a_function("broken", BROKEN, routes=("/broken",)), a_function("echo", routes=("/a",))]
    async with client_of(a_manifest(*functions), tmp_path) as client:
        broken = await client.get("/broken")
        fine = await client.get("/a")

        assert_problem(broken, 502, "Bad Gateway", "function_init_failed")
        assert "there_is_no_such_module" not in broken.text
        assert fine.status_code == 200
        log = tmp_path / "gateway.log"
        await until(lambda: b"No module named 'there_is_no_such_module'" in log.read_bytes())


async def test_a_function_over_its_timeout_is_504(tmp_path: Path) -> None:
    function = a_function("sleep", routes=("/a",), timeout=1)
    async with client_of(a_manifest(function), tmp_path) as client:
        response = await client.get("/a")

        assert_problem(response, 504, "Endpoint request timed out", "function_timed_out")


async def test_a_busy_function_is_503_with_the_time_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from local.gateway import app
    from local.lambda_runtime.fleet import Limits

    monkeypatch.setattr(app, "Limits", lambda **wanted: Limits(queue_wait=0.2, **wanted))
    function = a_function("sleep", routes=("/a",), timeout=2, concurrency=1)
    async with client_of(a_manifest(function), tmp_path) as client:
        first = asyncio.create_task(client.get("/a"))
        await until(lambda: (tmp_path / "logs/functions/sleep.log").read_bytes().count(b'"start"') == 1)

        response = await client.get("/a")

        assert_problem(response, 503, "Service Unavailable", "function_throttled")
        assert response.headers["retry-after"] == "1"
        assert (await first).status_code == 504


async def test_an_answer_over_six_megabytes_is_502(tmp_path: Path) -> None:
    (tmp_path / "large.py").write_text("def handler(event, context):\n    return 'x' * 7_000_000\n")
    function = a_function("large", "large.handler", routes=("/a",))
    async with client_of(a_manifest(function), tmp_path / "home", task_root=tmp_path) as client:
        response = await client.get("/a")

        assert_problem(response, 502, "Bad Gateway", "too_large")


# Large bodies


async def test_a_body_near_six_megabytes_passes(tmp_path: Path) -> None:
    async with client_of(responding(), tmp_path) as client:
        text = "x" * (PAYLOAD_LIMIT // 2 - 10_000)
        response = await client.post("/respond", json={"statusCode": 200, "body": text})

        assert response.status_code == 200
        assert response.text == text


@pytest.mark.parametrize("size", [PAYLOAD_LIMIT - 10, PAYLOAD_LIMIT + 1, 12_000_000])
async def test_a_body_over_six_megabytes_is_413_and_the_function_is_not_called(tmp_path: Path, size: int) -> None:
    async with client_of(responding(), tmp_path) as client:
        response = await client.post("/respond", content=b"x" * size, headers={"content-type": "text/plain"})

        assert_problem(response, 413, "Request Entity Too Large", "too_large")
        assert (tmp_path / "logs/functions/respond.log").read_bytes() == b""
        assert (await client.post("/respond", json={"statusCode": 201})).status_code == 201


async def test_a_chunked_body_over_six_megabytes_is_413(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(80):
            yield b"x" * 100_000

    async with client_of(responding(), tmp_path) as client:
        response = await client.post("/respond", content=chunks())

        assert_problem(response, 413, "Request Entity Too Large", "too_large")


async def test_a_body_is_not_collected_beyond_the_limit() -> None:
    sent = 0

    async def receive() -> dict[str, Any]:
        nonlocal sent
        sent += 1
        return {"type": "http.request", "body": b"x" * 6, "more_body": sent < 100}

    assert await read_body(receive, [], limit=600) == b"x" * 600
    sent = 0
    with pytest.raises(BodyTooLarge):
        await read_body(receive, [], limit=599)
    assert sent == 100


async def test_who_asks_before_sending_a_large_body_is_refused_before_it(tmp_path: Path) -> None:
    async with client_of(responding(), tmp_path) as client:
        streams = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        head = b"POST /respond HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\nExpect: 100-continue\r\n\r\n"

        answer, body = await raw_request(streams, head)
        streams[1].close()

        assert answer.startswith(b"HTTP/1.1 413 ")
        assert json.loads(body)["code"] == "too_large"


async def test_a_client_that_hangs_up_in_its_body_does_not_reach_the_function(tmp_path: Path) -> None:
    async with client_of(responding(), tmp_path) as client:
        _, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write(b"POST /respond HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this")
        await writer.drain()
        writer.close()

        await until(lambda: b'"status":499' in (tmp_path / "gateway.log").read_bytes())
        assert (tmp_path / "logs/functions/respond.log").read_bytes() == b""


# Log and statics


async def test_every_request_has_a_line_without_its_query(tmp_path: Path) -> None:
    async with client_of(a_manifest(a_function("echo", routes=("/a",))), tmp_path) as client:
        served = await client.get("/a?ticket=secret-ticket")
        await client.get("/nothing")

    lines = [json.loads(line) for line in (tmp_path / "gateway.log").read_text().splitlines()]
    assert [(line["path"], line["status"], line.get("function")) for line in lines] == [
        ("/a", 200, "echo"),
        ("/nothing", 404, None),
    ]
    assert lines[0]["request_id"] == served.headers["apigw-requestid"]
    assert lines[0]["duration_ms"] > 0
    assert "secret-ticket" not in (tmp_path / "gateway.log").read_text()


async def test_the_dashboard_is_served_under_app(tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>Fullon</h1>")
    (folder / "assets" / "main.js").write_text("1;")
    (tmp_path / "outside.txt").write_text("secret")
    async with client_of(a_manifest(a_function("echo", routes=("/a",))), tmp_path, statics=folder) as client:
        page = await client.get("/app")
        deep = await client.get("/app/bots/42")
        script = await client.get("/app/assets/main.js")
        again = await client.get("/app/assets/main.js", headers={"if-none-match": script.headers["etag"]})
        missing = await client.get("/app/assets/none.js")
        outside = await client.get("/app/..%2Foutside.txt")
        posted = await client.post("/app")

        assert page.text == deep.text == "<h1>Fullon</h1>"
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["cache-control"] == "no-cache"
        assert "javascript" in script.headers["content-type"]
        assert "immutable" in script.headers["cache-control"]
        assert again.status_code == 304
        assert {response.status_code for response in (missing, outside, posted)} == {404}
