"""Which function answers a path: the routes of the manifest, chosen as an HTTP API chooses.

Order (API Gateway Developer Guide, "Create routes for HTTP APIs"): a full match of path and method, then a path
with variables, then the longest greedy ``{proxy+}``; a route of the method itself before ``ANY``. A trailing slash
is ignored for the choice and stays in the event, because ``…/bots`` and ``…/bots/`` are the same to the product.
"""

from dataclasses import dataclass

from fullon.runtime.manifest import Manifest

ANY = "ANY"
_GREEDY = "/{proxy+}"


@dataclass(frozen=True, slots=True)
class Route:
    """One route: its key (``METHOD /path``), the function behind it, and whether it asks for an identity."""

    key: str
    function: str
    authorised: bool


Match = tuple[Route, dict[str, str] | None]
"""A route and its path parameters, decoded; None when it has none."""

_Methods = dict[str, Route]


class RouteTable:
    """All routes of the HTTP API."""

    def __init__(self, manifest: Manifest) -> None:
        self._exact: dict[str, _Methods] = {}
        self._variable: list[tuple[tuple[str, ...], _Methods]] = []
        self._greedy: dict[str, _Methods] = {}
        authorised = manifest.authorizer is not None
        for function in manifest.of_kind("http"):
            for path in function.routes:
                self._add(ANY, path, Route(f"{ANY} {path}", function.name, authorised))
            for public in function.public:
                key = f"{public.method} {public.path}"
                self._add(public.method, public.path, Route(key, function.name, authorised=False))
        self._variable.sort(key=lambda entry: sum(part.startswith("{") for part in entry[0]))

    def match(self, method: str, path: str) -> Match | None:
        """The route for a request, or None."""
        if len(path) > 1 and path[-1] == "/":
            path = path.rstrip("/") or "/"
        methods = self._exact.get(path)
        if methods is not None and (route := methods.get(method) or methods.get(ANY)):
            return route, None
        if self._variable and (found := self._match_variables(method, path)):
            return found
        prefix = path
        while prefix:
            prefix = prefix[: prefix.rfind("/")]
            methods = self._greedy.get(prefix)
            if methods is not None and (route := methods.get(method) or methods.get(ANY)):
                rest = path[len(prefix) + 1 :]
                return (route, {"proxy": rest}) if rest else None
        return None

    def _match_variables(self, method: str, path: str) -> Match | None:
        parts = path.split("/")
        for pattern, methods in self._variable:
            if len(pattern) != len(parts):
                continue
            route = methods.get(method) or methods.get(ANY)
            pairs = list(zip(pattern, parts, strict=True))
            if route and all(part and (name == part or name.startswith("{")) for name, part in pairs[1:]):
                return route, {name[1:-1]: part for name, part in pairs if name.startswith("{")}
        return None

    def _add(self, method: str, path: str, route: Route) -> None:
        if path.endswith(_GREEDY):
            self._greedy.setdefault(path.removesuffix(_GREEDY), {})[method] = route
        elif "{" in path:
            parts = tuple(path.split("/"))
            known = next((methods for pattern, methods in self._variable if pattern == parts), None)
            if known is None:
                self._variable.append((parts, {method: route}))
            else:
                known[method] = route
        else:
            self._exact.setdefault(path, {})[method] = route
