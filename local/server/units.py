"""The unit files of an installation: one service for each part, and one target that holds them together.

Source: systemd.unit(5), systemd.service(5), systemd.exec(5). The services get no privilege, see no home folder, and
write to their own state and log folders only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from local.server.layout import Layout

TARGET = "fullon.target"

_HARDENING = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
PrivateTmp=yes
PrivateDevices=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
UMask=0077
"""


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service.

    Attributes:
        starts: commands behind ``python -m``: one that stays, or with ``once`` several that end, in their order.
        then: commands that follow the start.
        after: services that must be up before, and without which it does not run.
        stop: more lines on how it ends.
    """

    name: str
    title: str
    starts: Sequence[str]
    then: Sequence[str] = ()
    after: Sequence[str] = ()
    once: bool = False
    stop: str = ""

    @property
    def unit(self) -> str:
        """Name of the unit file."""
        return f"fullon-{self.name}.service"


def services(layout: Layout) -> list[Service]:
    """The services of an installation, in the order of their start."""
    found: list[Service] = []
    if layout.postgres:
        # SIGINT is PostgreSQL's fast, clean stop.
        stop = "KillMode=mixed\nKillSignal=SIGINT\nTimeoutStopSec=60\n"
        found.append(Service(name="postgres", title="PostgreSQL", starts=["local.server.store postgres"], stop=stop))
    if layout.valkey:
        found.append(Service(name="valkey", title="Valkey", starts=["local.server.store valkey"]))
    stores = [service.name for service in found]
    preparation = ["local.server.databases", "functions.migrate.handler", *(["local.seed"] if layout.demo else [])]
    found.append(Service(name="prepare", title="schema", starts=preparation, after=stores, once=True))
    if layout.demo:
        paper = " ".join([f"local.paper --port {layout.paper_port} --log-format json", *layout.paper_options])
        found.append(Service(name="paper", title="paper venue", starts=[paper]))
    server = f"uvicorn fullon.runtime.asgi:app --host {layout.host} --port {layout.port} --workers {layout.workers}"
    # A worker that is slow for once is not to be killed with every socket it holds. But while the supervisor waits for
    # its answer it neither replaces others nor hears signals; so it does for one that died just then, as it holds the
    # other end of the pipe itself.
    server += " --no-server-header --ws-per-message-deflate false"
    server += " --timeout-graceful-shutdown 30 --timeout-worker-healthcheck 20"
    found.append(
        Service(
            name="server",
            title="API and WebSocket",
            starts=[server],
            after=["prepare"],
            stop="KillMode=mixed\nTimeoutStopSec=60\n",
        )
    )
    found.append(
        Service(
            name="agent",
            title="daemons",
            starts=[f"local.ecs --port {layout.ecs_port} --state {layout.state}/ecs --log-dir {layout.logs}"],
            then=["local.ecs.provision"],
            after=["prepare"],
            stop="KillMode=mixed\nTimeoutStopSec=45\n",
        )
    )
    return found


def unit_files(layout: Layout) -> dict[str, str]:
    """Every unit file by its name."""
    found = services(layout)
    wants = " ".join(service.unit for service in found)
    target = (
        f"[Unit]\nDescription=Fullon\nWants={wants}\n\n"
        "[Install]\nWantedBy=multi-user.target\n"
    )  # fmt: skip
    return {TARGET: target} | {service.unit: _unit_file(service, layout) for service in found}


def _unit_file(service: Service, layout: Layout) -> str:
    needed = " ".join(f"fullon-{name}.service" for name in service.after)
    waits = f"Requires={needed}\nAfter={needed} network-online.target\n" if needed else "After=network.target\n"
    online = "Wants=network-online.target\n" if needed else ""
    kind = "Type=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=600\n" if service.once else _LASTING
    commands = "".join(f"ExecStart={layout.python} -m {command}\n" for command in service.starts)
    commands += "".join(f"ExecStartPost={layout.python} -m {command}\n" for command in service.then)
    return (
        f"[Unit]\nDescription=Fullon: {service.title}\nPartOf={TARGET}\n{online}{waits}\n"
        f"[Service]\n{kind}User={layout.account}\nGroup={layout.account}\nWorkingDirectory={layout.code}\n"
        f"EnvironmentFile={layout.environment_file}\nStateDirectory=fullon\nStateDirectoryMode=0700\n"
        f"LogsDirectory=fullon\nLogsDirectoryMode=0750\nSyslogIdentifier=fullon-{service.name}\n"
        f"{commands}{service.stop}{_HARDENING}"
    )


_LASTING = "Type=exec\nRestart=always\nRestartSec=2\n"
