"""The manifest: the single list of functions and daemons, read from ``functions/manifest.toml``.

The infrastructure creates what it lists, the local platform mounts what it lists, and tests compare it with
the folders. Reading it checks everything that can be known without importing a function, so a mistake is one
sentence naming the entry and the key, at start-up.
"""

import importlib.util
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast, get_args

from fullon.kernel.errors import Invalid

FunctionKind = Literal["http", "authorizer", "websocket", "task", "schedule"]
Network = Literal["data", "control", "connections"]
Secret = Literal["jwt", "encryption", "admin"]

HTTP_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MEMORY_MEGABYTES = range(128, 10_241)
INTEGRATION_TIMEOUT_SECONDS = 30
"""Longest wait of an HTTP API for its function (AWS quota); WebSocket routes get one second less."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_HANDLER = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_RATE = re.compile(r"rate\(([1-9]\d{0,4}) (minute|hour|day)(s?)\)")
_UNIT_SECONDS = {"minute": 60, "hour": 3_600, "day": 86_400}
_PATH = re.compile(r"/|(/([A-Za-z0-9._~$-]+|\{[a-z_]+\}))+(/\{proxy\+\})?|/\{proxy\+\}")


class ManifestError(Invalid):
    """The manifest cannot be used; the sentence names the entry and what to mend."""

    default_code = "manifest"


@dataclass(frozen=True, slots=True)
class PublicRoute:
    """A method and path that need no identity; a route of its own, without the authorizer."""

    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Function:
    """One Lambda function.

    ``memory`` is in megabytes, ``timeout`` in seconds. ``routes`` are paths of ``ANY`` routes behind the
    authorizer, optionally ending in ``{proxy+}``. ``concurrency`` bounds the execution environments, ``None``
    leaves it to the platform. ``identity_ttl`` (authorizer only) is how many seconds an answer is reused. ``schedule``
    (kind ``schedule`` only) is how often it runs, as EventBridge writes it, ``rate(5 minutes)``; it also runs after
    each deployment. ``secrets`` are those it may read beside the logins of the stores that it reaches.
    """

    name: str
    kind: FunctionKind
    handler: str
    description: str
    memory: int
    timeout: int
    network: tuple[Network, ...] = ()
    secrets: tuple[Secret, ...] = ()
    permissions: tuple[str, ...] = ()
    layers: tuple[str, ...] = ("dependencies", "fullon")
    routes: tuple[str, ...] = ()
    public: tuple[PublicRoute, ...] = ()
    websocket_routes: tuple[str, ...] = ()
    concurrency: int | None = None
    identity_ttl: int = 60
    schedule: str | None = None

    @property
    def interval_seconds(self) -> int:
        """Seconds between two runs of a scheduled function."""
        rate = _RATE.fullmatch(self.schedule or "")
        if rate is None:
            raise ManifestError(f"The function {self.name!r} has no schedule.")
        return int(rate[1]) * _UNIT_SECONDS[rate[2]]

    @property
    def module(self) -> str:
        """Dotted module that holds the handler."""
        return self.handler.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Daemon:
    """One long-lived container service.

    ``cpu`` is in 1/1024 cores, ``memory`` in megabytes, ``stop_timeout`` in seconds, ``desired`` the number of
    instances of a fresh installation. Each reaches the stores; ``connections`` in ``network`` lets one post to
    WebSocket clients. ``secrets`` are those it is started with beside the logins of the stores.
    """

    name: str
    command: tuple[str, ...]
    description: str
    cpu: int
    memory: int
    desired: int
    stop_timeout: int
    network: tuple[Network, ...] = ("data",)
    secrets: tuple[Secret, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """Everything that is deployed."""

    api_prefix: str
    functions: tuple[Function, ...]
    daemons: tuple[Daemon, ...] = ()

    def function(self, name: str) -> Function:
        """The function of that name; ``KeyError`` when there is none."""
        return self._functions_by_name[name]

    def daemon(self, name: str) -> Daemon:
        """The daemon of that name; ``KeyError`` when there is none."""
        return self._daemons_by_name[name]

    def of_kind(self, kind: FunctionKind) -> tuple[Function, ...]:
        """The functions of a kind, in the order of the file."""
        return tuple(function for function in self.functions if function.kind == kind)

    @property
    def authorizer(self) -> Function | None:
        """The function that turns credentials into an identity, if there is one."""
        return next(iter(self.of_kind("authorizer")), None)

    @property
    def websocket(self) -> Function | None:
        """The function that answers the WebSocket routes, if there is one."""
        return next(iter(self.of_kind("websocket")), None)

    @cached_property
    def _functions_by_name(self) -> dict[str, Function]:
        return {function.name: function for function in self.functions}

    @cached_property
    def _daemons_by_name(self) -> dict[str, Daemon]:
        return {daemon.name: daemon for daemon in self.daemons}


def default_path() -> Path:
    """Where the manifest lies: beside the ``functions`` package, in a checkout as in a deployed function."""
    package = importlib.util.find_spec("functions")
    if package is None or not package.submodule_search_locations:
        raise ManifestError("The package `functions` cannot be found, so neither can its manifest.toml.")
    return Path(next(iter(package.submodule_search_locations))) / "manifest.toml"


def load(path: Path | None = None) -> Manifest:
    """Read and check a manifest; without ``path`` the one of the ``functions`` package.

    Raises ``ManifestError`` when the file is missing, is not TOML or breaks a rule.
    """
    source = path or default_path()
    try:
        document = tomllib.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestError(f"{source}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise ManifestError(f"{source}: not valid TOML: {error}.") from error
    try:
        return parse(document)
    except ManifestError as error:
        raise ManifestError(f"{source}: {error}") from error


def parse(document: Mapping[str, Any]) -> Manifest:
    """Build a manifest from a parsed TOML document; raises ``ManifestError``."""
    top = _Entry("the manifest", document)
    prefix = _Entry("[prefix]", top.table("prefix"))
    manifest = Manifest(
        api_prefix=prefix.text("api"),
        functions=tuple(_function(entry) for entry in top.tables("function")),
        daemons=tuple(_daemon(entry) for entry in top.tables("daemon")),
    )
    prefix.refuse_unknown_keys()
    top.refuse_unknown_keys()
    _check_together(manifest)
    return manifest


class _Entry:
    """One table of the document; hands out checked values and remembers which keys were asked for."""

    def __init__(self, label: str, table: Mapping[str, Any]) -> None:
        self.label = label
        self._table = table
        self._known: set[str] = set()

    def fail(self, key: str, problem: str) -> ManifestError:
        return ManifestError(f"{self.label}: `{key}` {problem}.")

    def text(self, key: str) -> str:
        value = self._get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.fail(key, "must be a text that is not empty")
        return value

    def number(self, key: str, allowed: range, default: int | None = None) -> int:
        value = self._get(key, default)
        if type(value) is not int or value not in allowed:
            raise self.fail(key, f"must be a whole number from {allowed.start} to {allowed.stop - 1}")
        return value

    def has(self, key: str) -> bool:
        return key in self._table

    def optional_number(self, key: str, allowed: range) -> int | None:
        self._known.add(key)
        return self.number(key, allowed) if key in self._table else None

    def texts(self, key: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        value = self._get(key, default)
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) and item for item in value):
            raise self.fail(key, "must be a list of texts")
        if len(set(value)) != len(value):
            raise self.fail(key, "names something twice")
        return tuple(value)

    def table(self, key: str) -> Mapping[str, Any]:
        value = self._get(key)
        if not isinstance(value, Mapping):
            raise self.fail(key, "must be a table")
        return value

    def tables(self, key: str) -> list["_Entry"]:
        value = self._get(key, ())
        if not isinstance(value, list | tuple) or not all(isinstance(item, Mapping) for item in value):
            raise self.fail(key, "must be a list of tables")
        return [_Entry(f"{key} {item.get('name', number)!r}", item) for number, item in enumerate(value, start=1)]

    def refuse_unknown_keys(self) -> None:
        for key in self._table:
            if key not in self._known:
                raise self.fail(key, "is not a known key")

    def _get(self, key: str, default: Any = None) -> Any:
        self._known.add(key)
        value = self._table.get(key, default)
        if value is None:
            raise self.fail(key, "is missing")
        return value


def _function(entry: _Entry) -> Function:
    kind = entry.text("kind")
    if kind not in get_args(FunctionKind):
        raise entry.fail("kind", f"must be one of {', '.join(get_args(FunctionKind))}")
    answers_http = kind in {"http", "authorizer", "websocket"}
    longest = INTEGRATION_TIMEOUT_SECONDS if answers_http else 900
    function = Function(
        name=_name(entry),
        kind=cast("FunctionKind", kind),
        handler=entry.text("handler"),
        description=entry.text("description"),
        memory=entry.number("memory", MEMORY_MEGABYTES),
        timeout=entry.number("timeout", range(1, longest + 1)),
        network=_networks(entry, ()),
        secrets=_secrets(entry),
        permissions=entry.texts("permissions", ()),
        layers=entry.texts("layers", ("dependencies", "fullon")),
        routes=entry.texts("routes", ()),
        public=tuple(_public_route(entry, text) for text in entry.texts("public", ())),
        websocket_routes=entry.texts("websocket_routes", ()),
        concurrency=entry.optional_number("concurrency", range(1, 1_001)),
        identity_ttl=entry.number("identity_ttl", range(3_601), 60),
        schedule=entry.text("schedule") if entry.has("schedule") else None,
    )
    entry.refuse_unknown_keys()
    _check_function(entry, function)
    return function


def _check_function(entry: _Entry, function: Function) -> None:
    if not _HANDLER.fullmatch(function.handler):
        raise entry.fail("handler", "must be module.function, for example functions.auth.handler.handler")
    for path in function.routes:
        if not _PATH.fullmatch(path):
            raise entry.fail("routes", f"has {path!r}, which is not a path like /a, /a/{{id}} or /a/{{proxy+}}")
    if bool(function.routes) != (function.kind == "http"):
        raise entry.fail("routes", "belongs to functions of kind http, and each of them needs one")
    if bool(function.websocket_routes) != (function.kind == "websocket"):
        raise entry.fail("websocket_routes", "belongs to functions of kind websocket, and each of them needs one")
    if (function.schedule is not None) != (function.kind == "schedule"):
        raise entry.fail("schedule", "belongs to functions of kind schedule, and each of them needs one")
    if function.schedule is not None and not _is_rate(function.schedule):
        raise entry.fail("schedule", f"is {function.schedule!r}, which is not like rate(1 minute) or rate(6 hours)")


def _networks(entry: _Entry, default: tuple[Network, ...]) -> tuple[Network, ...]:
    networks = entry.texts("network", default)
    for network in networks:
        if network not in get_args(Network):
            raise entry.fail("network", f"knows only {', '.join(get_args(Network))}, not {network}")
    return cast("tuple[Network, ...]", networks)


def _is_rate(text: str) -> bool:
    """EventBridge wants the singular for one and the plural for more."""
    rate = _RATE.fullmatch(text)
    return rate is not None and (rate[1] == "1") == (rate[3] == "")


def _secrets(entry: _Entry) -> tuple[Secret, ...]:
    names = entry.texts("secrets", ())
    for name in names:
        if name not in get_args(Secret):
            raise entry.fail("secrets", f"knows only {', '.join(get_args(Secret))}, not {name}")
    return cast("tuple[Secret, ...]", names)


def _public_route(entry: _Entry, text: str) -> PublicRoute:
    method, _, path = text.partition(" ")
    if method not in HTTP_METHODS or not _PATH.fullmatch(path):
        raise entry.fail("public", f"has {text!r}, which is not like 'GET /health'")
    return PublicRoute(method, path)


def _daemon(entry: _Entry) -> Daemon:
    daemon = Daemon(
        name=_name(entry),
        command=entry.texts("command"),
        description=entry.text("description"),
        cpu=entry.number("cpu", range(256, 16_385)),
        memory=entry.number("memory", range(512, 122_881)),
        desired=entry.number("desired", range(101)),
        stop_timeout=entry.number("stop_timeout", range(2, 121)),
        network=_networks(entry, ("data",)),
        secrets=_secrets(entry),
    )
    if not set(daemon.secrets) <= {"encryption"}:
        raise entry.fail("secrets", "of a daemon knows only encryption")
    entry.refuse_unknown_keys()
    return daemon


def _name(entry: _Entry) -> str:
    name = entry.text("name")
    if not _NAME.fullmatch(name):
        raise entry.fail("name", "must be lower-case letters, digits and underscores")
    return name


def _check_together(manifest: Manifest) -> None:
    for names in ([f.name for f in manifest.functions], [d.name for d in manifest.daemons]):
        for name in names:
            if names.count(name) > 1:
                raise ManifestError(f"The name {name!r} is used twice.")
    for kind in ("authorizer", "websocket"):
        if len(manifest.of_kind(kind)) > 1:
            raise ManifestError(f"There can be one function of kind {kind}, not several.")
    owner: dict[str, str] = {}
    for function in manifest.functions:
        keys = [f"ANY {path}" for path in function.routes] + [f"{r.method} {r.path}" for r in function.public]
        for key in keys:
            if key in owner:
                raise ManifestError(f"The route {key!r} is claimed by {owner[key]!r} and {function.name!r}.")
            owner[key] = function.name
