"""Deploys an assembly stack by stack with CloudFormation, as `cdk deploy` does it, and says why a stack failed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local.errors import MachineProblem
from local.rehearsal.assembly import Asset, Stack, packed
from local.rehearsal.emulator import ACCOUNT, REGION, Emulator

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.client import CloudFormationClient

BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version"
"""Read by templates of the default synthesiser, to see whether the account was bootstrapped."""
DONE = {"CREATE_COMPLETE"}
PAUSE_SECONDS = 0.2
STACK_SECONDS = 180.0
REMOVAL_SECONDS = 30.0
SHOWN_FAILURES = 5


class DeploymentFailed(MachineProblem):
    """A stack did not become CREATE_COMPLETE; the sentence carries the first reasons of its events."""


@dataclass(frozen=True)
class Deployed:
    """A stack that is there.

    Attributes:
        name: of the stack.
        outputs: values by their key in the template.
        resources: physical id of each resource, by its logical id.
        types: resource type, by logical id.
    """

    name: str
    outputs: Mapping[str, str]
    resources: Mapping[str, str]
    types: Mapping[str, str]

    def of_type(self, kind: str) -> dict[str, str]:
        """Physical ids of the resources of a type, by logical id."""
        return {logical: self.resources[logical] for logical, found in self.types.items() if found == kind}


@dataclass
class Deployer:
    """Deploys into one emulator.

    Args:
        parameters: values for template parameters, by name; a stack gets those that its template declares.
    """

    emulator: Emulator
    parameters: dict[str, str] = field(default_factory=dict)
    _uploaded: set[tuple[str, str]] = field(default_factory=set)

    async def bootstrap(self) -> None:
        """What `cdk bootstrap` leaves behind, as far as a deployment needs it."""
        await asyncio.to_thread(self._bootstrap)

    async def deploy(self, stack: Stack) -> Deployed:
        """Upload a stack's files, create the stack and wait for its end.

        Raises:
            DeploymentFailed: it failed, or took longer than STACK_SECONDS.
            MachineProblem: its template declares a parameter without a default that nobody gave a value for.
        """
        given = self._values_for(stack)
        template = ""
        for asset in stack.assets:
            place = await asyncio.to_thread(self._upload, asset)
            if asset.source == stack.template:
                template = f"{self.emulator.endpoint}/{place[0]}/{place[1]}"
        client: CloudFormationClient = self.emulator.client("cloudformation")
        location: dict[str, Any] = {"TemplateURL": template} if template else {"TemplateBody": _text(stack)}
        try:
            await asyncio.to_thread(
                client.create_stack,
                StackName=stack.name,
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
                Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
                OnFailure="DO_NOTHING",
                **location,
            )
        except ClientError as refusal:
            reason = refusal.response.get("Error", {}).get("Message", str(refusal))
            raise DeploymentFailed(f"The stack {stack.name} was refused: {reason}.") from refusal
        return await self._wait(client, stack)

    async def remove(self, names: Sequence[str]) -> None:
        """Delete the stacks of these names that there are, last first, each with a deadline and as far as it goes."""
        client: CloudFormationClient = self.emulator.client("cloudformation")
        for name in reversed(names):
            await asyncio.to_thread(client.delete_stack, StackName=name)
            with suppress(ClientError, TimeoutError):  # it is gone, or stays: it was asked for
                async with asyncio.timeout(REMOVAL_SECONDS):
                    while True:
                        [stack] = (await asyncio.to_thread(client.describe_stacks, StackName=name))["Stacks"]
                        if stack["StackStatus"] in {"DELETE_COMPLETE", "DELETE_FAILED"}:
                            break
                        await asyncio.sleep(PAUSE_SECONDS)

    def _values_for(self, stack: Stack) -> dict[str, str]:
        declared: Mapping[str, Mapping[str, Any]] = stack.document().get("Parameters", {})
        missing = [name for name, one in declared.items() if "Default" not in one and name not in self.parameters]
        if missing:
            raise MachineProblem(f"The stack {stack.name} needs values for {', '.join(missing)}, which nobody gives.")
        return {name: self.parameters[name] for name in declared if name in self.parameters}

    def _bootstrap(self) -> None:
        systems = self.emulator.client("ssm")
        systems.put_parameter(Name=BOOTSTRAP_VERSION, Value="30", Type="String", Overwrite=True)

    def _upload(self, asset: Asset) -> tuple[str, str]:
        bucket, key = (_in_account(text) for text in (asset.bucket, asset.key))
        if (bucket, key) in self._uploaded:
            return bucket, key
        storage = self.emulator.client("s3")
        if not any(one["Name"] == bucket for one in storage.list_buckets()["Buckets"]):
            storage.create_bucket(Bucket=bucket)
        storage.put_object(Bucket=bucket, Key=key, Body=packed(asset).read_bytes())
        self._uploaded.add((bucket, key))
        return bucket, key

    async def _wait(self, client: CloudFormationClient, stack: Stack) -> Deployed:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + STACK_SECONDS
        while True:
            [described] = (await asyncio.to_thread(client.describe_stacks, StackName=stack.name))["Stacks"]
            status: str = described["StackStatus"]
            if status in DONE:
                break
            if not status.endswith("_IN_PROGRESS"):
                reasons = await asyncio.to_thread(_failures, client, stack.name)
                raise DeploymentFailed(f"The stack {stack.name} ended as {status}: {reasons}")
            if loop.time() > deadline:
                raise DeploymentFailed(f"The stack {stack.name} is still {status} after {STACK_SECONDS:.0f} s.")
            await asyncio.sleep(PAUSE_SECONDS)
        resources = await asyncio.to_thread(_resources, client, stack.name)
        return Deployed(
            name=stack.name,
            outputs={one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", [])},
            resources={logical: physical for logical, (_, physical) in resources.items()},
            types={logical: kind for logical, (kind, _) in resources.items()},
        )


def _in_account(text: str) -> str:
    return text.replace("${AWS::AccountId}", ACCOUNT).replace("${AWS::Region}", REGION)


def _text(stack: Stack) -> str:
    return stack.template.read_text(encoding="utf-8")


def _resources(client: CloudFormationClient, name: str) -> dict[str, tuple[str, str]]:
    pages = client.get_paginator("list_stack_resources").paginate(StackName=name)
    return {
        one["LogicalResourceId"]: (one["ResourceType"], one.get("PhysicalResourceId", ""))
        for page in pages
        for one in page["StackResourceSummaries"]
    }


def _failures(client: CloudFormationClient, name: str) -> str:
    """The first reasons in the stack's events, oldest first, without those that only follow from another."""
    pages = client.get_paginator("describe_stack_events").paginate(StackName=name)
    failed = [
        f"{one['LogicalResourceId']} ({one.get('ResourceType', '')}): {one.get('ResourceStatusReason', 'no reason')}"
        for page in pages
        for one in page["StackEvents"]
        if one.get("ResourceStatus", "").endswith("_FAILED") and one.get("ResourceStatusReason")
    ]
    return "; ".join(list(dict.fromkeys(reversed(failed)))[:SHOWN_FAILURES]) or "its events give no reason."
