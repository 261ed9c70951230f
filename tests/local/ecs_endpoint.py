"""A running ECS endpoint for tests: its own process, unmodified boto3 against it, small programs as daemons."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from local.ports import free_port

if TYPE_CHECKING:
    from mypy_boto3_ecs.client import ECSClient
    from mypy_boto3_ecs.type_defs import ServiceTypeDef, TaskTypeDef

Result = TypeVar("Result")
CLUSTER = "fullon"
ACCESS_KEY, SECRET_KEY = "LOCALTESTKEY", "a-secret-of-this-test-run"
DEADLINE_SECONDS = 90.0

#: A daemon that says what it got, ends well when asked, and leaves a trace of each start.
GOOD = """
import os, signal, sys, time
print("started", os.getpid(), os.environ.get("GREETING"), os.environ.get("FROM_ENDPOINT"), flush=True)
def leave(*_):
    print("asked to stop", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
while True:
    time.sleep(0.05)
"""


def until(condition: Callable[[], Result], seconds: float = DEADLINE_SECONDS) -> Result:
    """Ask again until the answer is true; fails at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
        time.sleep(0.02)


@dataclass
class Endpoint:
    """One home of an endpoint; it can be started again after it ended."""

    directory: Path
    port: int = field(default_factory=free_port)
    extra_arguments: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def state_file(self) -> Path:
        return self.directory / "state" / "state.json"

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment |= {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "FROM_ENDPOINT": "inherited",
        }
        command = [sys.executable, "-m", "local.ecs", "--port", str(self.port)]
        command += ["--state", str(self.directory / "state"), "--log-dir", str(self.directory / "logs")]
        with (self.directory / "endpoint.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self.extra_arguments], env=environment, stdout=log, stderr=log, start_new_session=True
            )
        until(self._answers)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(90)
        self.process = None
        return code

    def kill(self) -> None:
        """SIGKILL: no chance to end its children."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)
        self.process = None

    def client(self, access_key: str = ACCESS_KEY, secret_key: str = SECRET_KEY) -> ECSClient:
        import boto3

        session = boto3.session.Session(access_key, secret_key, region_name="us-east-1")
        return session.client("ecs", endpoint_url=self.url)

    def log(self) -> str:
        return (self.directory / "endpoint.log").read_text()

    def daemon_log(self, name: str) -> str:
        path = self.directory / "logs" / "daemons" / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        try:
            with urlopen(f"{self.url}/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


@contextmanager
def endpoint_in(directory: Path, *extra_arguments: str) -> Iterator[Endpoint]:
    """An endpoint that runs; whatever is left of it at the end is ended by process id."""
    endpoint = Endpoint(directory, extra_arguments=extra_arguments)
    endpoint.start()
    try:
        yield endpoint
    finally:
        if endpoint.process is not None:
            endpoint.stop()


class Fleet:
    """Shorthand for calls with boto3."""

    def __init__(self, client: ECSClient, cluster: str = CLUSTER) -> None:
        self.client = client
        self.cluster = cluster
        client.create_cluster(clusterName=cluster)

    def define(self, name: str, program: str, **container: Any) -> str:
        """A task definition that runs a Python program; returns its ARN."""
        definition: dict[str, Any] = {"name": name, "image": "test", "command": ["python", "-c", program], **container}
        answer = self.client.register_task_definition(family=name, containerDefinitions=[definition])  # type: ignore[list-item]
        return answer["taskDefinition"]["taskDefinitionArn"]

    def create(self, name: str, program: str, desired: int = 1, **container: Any) -> None:
        """A service that replaces before it starts, as the daemons do."""
        self.define(name, program, **container)
        self.client.create_service(
            cluster=self.cluster,
            serviceName=name,
            taskDefinition=name,
            desiredCount=desired,
            deploymentConfiguration={"minimumHealthyPercent": 0, "maximumPercent": 100},
        )

    def service(self, name: str) -> ServiceTypeDef:
        return self.client.describe_services(cluster=self.cluster, services=[name])["services"][0]

    def tasks(self, name: str, desired: str = "RUNNING") -> list[TaskTypeDef]:
        """Tasks of a service, newest first."""
        arns = self.client.list_tasks(cluster=self.cluster, serviceName=name, desiredStatus=desired)["taskArns"]  # type: ignore[arg-type]
        if not arns:
            return []
        tasks = self.client.describe_tasks(cluster=self.cluster, tasks=arns)["tasks"]
        return sorted(tasks, key=lambda task: task["createdAt"], reverse=True)

    def running(self, name: str) -> TaskTypeDef:
        """Its one running task, once there is one."""
        until(lambda: [task for task in self.tasks(name) if task["lastStatus"] == "RUNNING"])
        return self.tasks(name)[0]

    def pid(self, name: str) -> int:
        """Process number of its one running task."""
        return int(self.running(name)["containers"][0]["runtimeId"].rsplit("-", 1)[1])


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
