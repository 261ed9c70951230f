"""``/control``, which makes things go wrong, and ``/control/accounts``, which lets accounts trade.

``GET`` and ``POST /control`` show and change the faults of :mod:`local.paper.faults`. ``POST /control/accounts`` makes
or changes an account as :mod:`local.paper.trading.provisioning` says, ``GET`` lists them, never a secret.
"""

from __future__ import annotations

import orjson
from aiohttp import web

from fullon.kernel.errors import Invalid
from local.paper.faults import Faults
from local.paper.hub import Hub
from local.paper.trading.desk import Desk
from local.paper.trading.provisioning import provision, shown

CONTROL_PATH = "/control"
ACCOUNTS_PATH = "/control/accounts"


class Control:
    """The control endpoint.

    Args:
        faults: what can go wrong.
        hub: the sockets that can be dropped.
        desk: where accounts are.
    """

    def __init__(self, faults: Faults, hub: Hub, desk: Desk) -> None:
        self._faults = faults
        self._hub = hub
        self._desk = desk

    def mount(self, app: web.Application) -> None:
        """Add the paths."""
        app.router.add_get(CONTROL_PATH, self._state)
        app.router.add_post(CONTROL_PATH, self._change)
        app.router.add_get(ACCOUNTS_PATH, self._accounts)
        app.router.add_post(ACCOUNTS_PATH, self._provision)

    async def _state(self, _: web.Request) -> web.Response:
        return json_answer(self._faults.state())

    async def _change(self, request: web.Request) -> web.Response:
        try:
            if self._faults.apply(orjson.loads(await request.read())):
                self._hub.abort_all()
        except orjson.JSONDecodeError:
            return json_answer({"detail": "The body must be a JSON object."}, 400)
        except Invalid as error:
            return json_answer({"detail": error.detail}, 400)
        return json_answer(self._faults.state())

    async def _accounts(self, _: web.Request) -> web.Response:
        self._desk.now()
        return json_answer([shown(self._desk, account) for account in self._desk.state.accounts])

    async def _provision(self, request: web.Request) -> web.Response:
        try:
            account = provision(self._desk, orjson.loads(await request.read()))
        except orjson.JSONDecodeError:
            return json_answer({"detail": "The body must be a JSON object."}, 400)
        except Invalid as error:
            return json_answer({"detail": error.detail}, 400)
        return json_answer(shown(self._desk, account))


def json_answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """An answer in JSON."""
    return web.Response(
        body=orjson.dumps(body), status=status, headers=headers, content_type="application/json", charset="utf-8"
    )
