"""Names and Amazon resource names of the endpoint's things."""

from __future__ import annotations

import re
import secrets
import uuid

from local.ecs.model import ACCOUNT

NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")


class Names:
    """Makes and reads ARNs of one region."""

    def __init__(self, region: str) -> None:
        self._prefix = f"arn:aws:ecs:{region}:{ACCOUNT}:"

    def cluster(self, name: str) -> str:
        return f"{self._prefix}cluster/{name}"

    def service(self, cluster: str, name: str) -> str:
        return f"{self._prefix}service/{cluster}/{name}"

    def task(self, cluster: str, task_id: str) -> str:
        return f"{self._prefix}task/{cluster}/{task_id}"

    def container(self, cluster: str, task_id: str) -> str:
        """A container has an id of its own; here it follows from the task's."""
        container_id = uuid.uuid5(uuid.NAMESPACE_OID, task_id)
        return f"{self._prefix}container/{cluster}/{task_id}/{container_id}"

    def definition(self, family: str, revision: int) -> str:
        return f"{self._prefix}task-definition/{family}:{revision}"


def last_part(name_or_arn: str) -> str:
    """The bare name in an ARN, or the name itself."""
    return name_or_arn.rsplit("/", 1)[-1]


def new_task_id() -> str:
    """32 hexadecimal digits, as ECS names tasks."""
    return secrets.token_hex(16)


def new_deployment_id() -> str:
    """``ecs-svc/`` and 19 digits."""
    return f"ecs-svc/{10**18 + secrets.randbelow(9 * 10**18)}"
