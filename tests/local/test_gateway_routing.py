"""Which route a request takes."""

import pytest

from fullon.runtime.gateway.routing import RouteTable
from tests.local.platform import a_function, a_manifest


def the_routes() -> RouteTable:
    return RouteTable(
        a_manifest(
            a_function("authorizer", kind="authorizer"),
            a_function(
                "auth",
                routes=("/api/v1/auth/{proxy+}",),
                public=("POST /api/v1/auth/login", "GET /api/v1/auth/keys/{proxy+}"),
            ),
            a_function("services", routes=("/api/v1/services", "/api/v1/services/{proxy+}")),
            a_function("users", routes=("/users/{id}", "/users/me", "/users/{id}/keys/{key}")),
            a_function("docs", routes=("/",), public=("GET /",)),
            a_function("deep", routes=("/api/v1/auth/deep/{proxy+}",)),
        )
    )


@pytest.mark.parametrize(
    ("method", "path", "key", "parameters", "authorised"),
    [
        ("POST", "/api/v1/auth/login", "POST /api/v1/auth/login", None, False),
        ("POST", "/api/v1/auth/login/", "POST /api/v1/auth/login", None, False),
        ("GET", "/api/v1/auth/login", "ANY /api/v1/auth/{proxy+}", {"proxy": "login"}, True),
        ("DELETE", "/api/v1/auth/a/b/", "ANY /api/v1/auth/{proxy+}", {"proxy": "a/b"}, True),
        ("GET", "/api/v1/auth/keys/1", "GET /api/v1/auth/keys/{proxy+}", {"proxy": "1"}, False),
        ("POST", "/api/v1/auth/keys/1", "ANY /api/v1/auth/{proxy+}", {"proxy": "keys/1"}, True),
        ("GET", "/api/v1/auth/deep/x/y", "ANY /api/v1/auth/deep/{proxy+}", {"proxy": "x/y"}, True),
        ("GET", "/api/v1/services", "ANY /api/v1/services", None, True),
        ("GET", "/api/v1/services/", "ANY /api/v1/services", None, True),
        ("GET", "/api/v1/services/ticker", "ANY /api/v1/services/{proxy+}", {"proxy": "ticker"}, True),
        ("GET", "/users/me", "ANY /users/me", None, True),
        ("GET", "/users/7", "ANY /users/{id}", {"id": "7"}, True),
        ("GET", "/users/7/keys/8", "ANY /users/{id}/keys/{key}", {"id": "7", "key": "8"}, True),
        ("GET", "/", "GET /", None, False),
        ("POST", "/", "ANY /", None, True),
    ],
)
def test_the_most_specific_route_wins(
    method: str, path: str, key: str, parameters: dict[str, str] | None, authorised: bool
) -> None:
    match = the_routes().match(method, path)

    assert match is not None
    route, found = match
    assert route.key == key
    assert found == parameters
    assert route.authorised is authorised


@pytest.mark.parametrize(
    "path", ["/api/v1/auth", "/api/v1/auth/", "/api/v1", "/users", "/users/", "/users/7/keys", "/x", ""]
)
def test_other_paths_have_no_route(path: str) -> None:
    assert the_routes().match("GET", path) is None


def test_without_an_authorizer_every_route_is_open() -> None:
    match = RouteTable(a_manifest(a_function("echo", routes=("/a",)))).match("GET", "/a")

    assert match is not None
    assert match[0].authorised is False
