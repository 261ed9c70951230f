"""Sets up the daemons of the manifest as services, through boto3 as a deployment does with CloudFormation.

``python -m local.ecs.provision`` does it for this environment. It may be run again at any time: what is there and the
same stays untouched, and the desired count of a service that exists is never changed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fullon.runtime import manifest as manifests
from fullon.runtime.manifest import Daemon, Manifest

if TYPE_CHECKING:
    from mypy_boto3_ecs.client import ECSClient

IMAGE = "fullon-daemons:local"
"""Named for the protocol's sake: here a container is a process."""


def provision(
    endpoint: str,
    manifest: Manifest,
    environment: Mapping[str, str],
    auto_start: Collection[str] | None = None,
    *,
    cluster: str = "fullon",
    region: str = "us-east-1",
) -> list[str]:
    """Make the cluster, a task definition and a service for each daemon.

    Args:
        endpoint: address of the ECS API; the keys come from where boto3 looks for them.
        environment: variables of every container; no secrets, they are in the endpoint's own environment.
        auto_start: services that a fresh installation starts; None for what the manifest says.

    Returns:
        what was done, a sentence each; empty when everything was there.

    Raises:
        ValueError: ``auto_start`` names a daemon that there is not.
        botocore.exceptions.BotoCoreError, ClientError: the endpoint cannot be reached or refuses.
    """
    known = {daemon.name for daemon in manifest.daemons}
    if unknown := sorted(set(auto_start or ()) - known):
        raise ValueError(f"There is no daemon {', '.join(unknown)}; there are {', '.join(sorted(known))}.")
    client = _client(endpoint, region)
    client.create_cluster(clusterName=cluster)
    present = _present_services(client, cluster, [daemon.name for daemon in manifest.daemons])
    done = []
    for daemon in manifest.daemons:
        definition, is_new = _definition(client, daemon, environment)
        if daemon.name not in present:
            desired = daemon.desired if auto_start is None else int(daemon.name in auto_start)
            client.create_service(
                cluster=cluster,
                serviceName=daemon.name,
                taskDefinition=definition,
                desiredCount=desired,
                launchType="FARGATE",
                deploymentConfiguration={"minimumHealthyPercent": 0, "maximumPercent": 100},
            )
            done.append(f"{daemon.name} created with {desired} tasks")
        elif present[daemon.name] != definition:
            client.update_service(cluster=cluster, service=daemon.name, taskDefinition=definition)
            done.append(f"{daemon.name} updated")
        elif is_new:
            done.append(f"{daemon.name} registered")
    return done


def _client(endpoint: str, region: str) -> ECSClient:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
    return boto3.session.Session(region_name=region).client("ecs", endpoint_url=endpoint, config=config)


def _present_services(client: ECSClient, cluster: str, names: list[str]) -> dict[str, str]:
    """Task definition of each service that exists."""
    present: dict[str, str] = {}
    for start in range(0, len(names), 10):
        answer = client.describe_services(cluster=cluster, services=names[start : start + 10])
        present |= {
            one["serviceName"]: one["taskDefinition"] for one in answer["services"] if one["status"] == "ACTIVE"
        }
    return present


def _definition(client: ECSClient, daemon: Daemon, environment: Mapping[str, str]) -> tuple[str, bool]:
    """ARN of the newest task definition of a daemon, registered anew if it is not the same."""
    pairs = [{"name": name, "value": value} for name, value in sorted(environment.items())]
    container: dict[str, Any] = {
        "name": daemon.name,
        "image": IMAGE,
        "command": list(daemon.command),
        "environment": pairs,
        "essential": True,
        "stopTimeout": daemon.stop_timeout,
    }
    size = {"cpu": str(daemon.cpu), "memory": str(daemon.memory)}
    arns = client.list_task_definitions(familyPrefix=daemon.name, sort="DESC", maxResults=1)["taskDefinitionArns"]
    if arns:
        present: Mapping[str, Any] = client.describe_task_definition(taskDefinition=arns[0])["taskDefinition"]
        if _contains(present, size) and _contains(present["containerDefinitions"][0], container):
            return arns[0], False
    registered = client.register_task_definition(
        family=daemon.name,
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        containerDefinitions=[container],  # type: ignore[list-item]
        cpu=str(daemon.cpu),
        memory=str(daemon.memory),
    )
    return registered["taskDefinition"]["taskDefinitionArn"], True


def _contains(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(present.get(name) == value for name, value in wanted.items())


def _chosen(text: str | None) -> list[str] | None:
    """The list of SERVICES_TO_AUTO_START; None when it is not set."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _say(done: Iterable[str]) -> str:
    return ", ".join(done) or "all as it was"


def main() -> int:
    """Set up this environment's services."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        done = provision(
            os.environ["AWS_ENDPOINT_URL_ECS"],
            manifests.load(),
            {},
            _chosen(os.environ.get("SERVICES_TO_AUTO_START")),
            cluster=os.environ.get("ECS_CLUSTER", "fullon"),
            region=os.environ.get("AWS_REGION", "us-east-1"),
        )
    except KeyError as error:
        print(f"The environment variable {error.args[0]} is not set.", file=sys.stderr)
        return 1
    except (ValueError, manifests.ManifestError, BotoCoreError, ClientError) as error:
        print(f"The services could not be set up: {error}", file=sys.stderr)
        return 1
    print(_say(done))
    return 0


if __name__ == "__main__":
    sys.exit(main())
