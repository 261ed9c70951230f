"""What cdk-nag finds and we accept, each with the reason. Nothing is accepted that is not written here.

Ids carry their pack (``AwsSolutions::…``), so that CDK's report lists what was accepted. Wildcards in policies are
accepted one by one, with the very resource in brackets; so what a statement gains later is found again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aws_cdk import Acknowledgment, App, CfnElement, Stack, Validations
from cdk_nag import AwsSolutionsChecks, ServerlessChecks
from constructs import IConstruct

from fullon.runtime.manifest import Function, Manifest
from infra.rules.public import PUBLIC_ROUTES
from infra.settings import Profile

_IAM = "AwsSolutions::AwsSolutions-IAM5"
_DEAD_LETTERS = "Serverless::Serverless-LambdaDLQ"
_LATEST = ("AwsSolutions::AwsSolutions-L1", "Serverless::Serverless-LambdaLatestVersion")
#: What CDK calls its function that copies files into buckets.
_UPLOAD = "Web/Custom::CDKBucketDeployment8693BB64968944B69AAFB0CC9EB8756C512MiB"
#: What CDK calls the export of the WebSocket API's id.
_SOCKETS = "ExportsOutputRefSocketsApi248BE7F2807D884D"
_STACKS = {"task": "Schema", "authorizer": "Realtime", "websocket": "Realtime", "http": "Api", "schedule": "Api"}


@dataclass(frozen=True)
class Accepted:
    """One finding that is accepted.

    Attributes:
        path: of the construct; it holds for everything below.
        rule: id with its pack.
        reason: why it is right as it is.
    """

    path: str
    rule: str
    reason: str


def install(app: App, profile: Profile, manifest: Manifest) -> list[Accepted]:
    """Have ``app`` checked when it is synthesised; gives what is accepted."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True), ServerlessChecks(app, verbose=True))
    every = acceptances(app, profile, manifest)
    for accepted in every:
        Validations.of(_find(app, accepted.path)).acknowledge(Acknowledgment(id=accepted.rule, reason=accepted.reason))
    return every


def acceptances(app: App, profile: Profile, manifest: Manifest) -> list[Accepted]:
    """Everything that is accepted in a profile.

    Args:
        app: with its stacks; some findings name a resource as the template does.
    """
    return [
        *_stores(profile),
        *(each for entry in manifest.functions for each in _function(app, entry, profile)),
        *_routes(manifest),
        *_realtime(profile),
        *_daemons(profile, manifest),
        *_web(app, profile),
    ]


def _stores(profile: Profile) -> Iterator[Accepted]:
    yield Accepted(
        "Data",
        "AwsSolutions::AwsSolutions-SMG4",
        "A rotation needs a function of its own for each; docs/deployment.md says how each is changed by hand.",
    )
    if not profile.flow_logs:
        yield Accepted("Network/Vpc", "AwsSolutions::AwsSolutions-VPC7", "The profile has no flow logs.")
    if not profile.retain:
        yield Accepted("Data/Database", "AwsSolutions::AwsSolutions-RDS10", "The profile retains nothing.")


def _function(app: App, entry: Function, profile: Profile) -> Iterator[Accepted]:
    path = f"{_STACKS[entry.kind]}/{entry.name}"
    for rule in _LATEST:
        yield Accepted(path, rule, "3.13 is what the layers are compiled and tested for; AWS supports it until 2029.")
    reasons = {
        "schedule": "The next run does what this one did not; an alarm rings when runs fail or stay away.",
        "task": "CloudFormation calls it and waits; a failure fails the deployment.",
    }
    yield Accepted(path, _DEAD_LETTERS, reasons.get(entry.kind, "A gateway calls it and waits for the answer."))
    yield Accepted(
        f"{path}/Role",
        f"{_IAM}[Resource::*]",
        "Traces have no resource; network interfaces are Lambda's own, and have their names when they are made.",
    )
    group = _logical_name(app, f"{path}/Logs/Resource")
    yield Accepted(f"{path}/Role", f"{_IAM}[Resource::<{group}.Arn>:*]", "The streams of its own log group.")
    if any(permission in entry.permissions for permission in ("ecs:ListTasks", "ecs:DescribeTasks")):
        for kind in ("task", "container-instance"):
            yield Accepted(
                f"{path}/Role",
                f"{_IAM}[Resource::arn:<AWS::Partition>:ecs:{profile.region}:{_account(profile)}:{kind}/"
                f"{profile.cluster_name}/*]",
                "A task has its name when it runs; only those of the daemons' cluster.",
            )
    if entry.kind == "schedule":
        again = "What was not delivered or failed is done by the next run."
        yield Accepted(f"{path}/Function", "Serverless::Serverless-LambdaAsyncFailureDestination", again)
        yield Accepted(f"Api/Schedule-{entry.name}", "Serverless::Serverless-EventBusDLQ", again)


def _routes(manifest: Manifest) -> Iterator[Accepted]:
    rule = "AwsSolutions::AwsSolutions-APIG4"
    for entry in manifest.functions:
        for public in entry.public:
            key = f"{public.method} {public.path}"
            yield Accepted(f"Api/Http/Route-{key.replace('/', '|')}", rule, PUBLIC_ROUTES[key])
        for key in entry.websocket_routes:
            if key != "$connect":
                yield Accepted(
                    f"Realtime/Sockets/Route-{key.removeprefix('$')}",
                    rule,
                    "The connection was authorised by $connect; API Gateway knows no authorizer for other routes.",
                )


def _realtime(profile: Profile) -> Iterator[Accepted]:
    if not profile.emulated:
        yield Accepted(
            "Realtime/Logging/Role",
            f"{_IAM}[Resource::arn:<AWS::Partition>:logs:{profile.region}:{_account(profile)}:log-group:*]",
            "API Gateway writes the logs of all WebSocket APIs of an account by one role.",
        )


def _daemons(profile: Profile, manifest: Manifest) -> Iterator[Accepted]:
    if not profile.insights:
        yield Accepted(
            "Daemons/Cluster",
            "AwsSolutions::AwsSolutions-ECS4",
            "Container Insights bills by metric and costs more than the daemons; they write their own metrics.",
        )
    for daemon in manifest.daemons:
        yield Accepted(
            f"Daemons/{daemon.name}",
            "AwsSolutions::AwsSolutions-ECS2",
            "The variables are addresses and no secrets; secrets are read by ECS when a task starts.",
        )
        if not profile.emulated and not profile.image:
            yield Accepted(
                f"Daemons/{daemon.name}/Task/ExecutionRole",
                f"{_IAM}[Resource::*]",
                "A login to the registry is for the account (ecr:GetAuthorizationToken); images are named.",
            )
        if "connections" in daemon.network:
            api = f"{profile.prefix}-realtime:{_SOCKETS}"
            yield Accepted(
                f"Daemons/{daemon.name}/TaskRole",
                f"{_IAM}[Resource::arn:<AWS::Partition>:execute-api:{profile.region}:{_account(profile)}:{api}"
                "/ws/POST/@connections/*]",
                "It posts to whichever connections there are; only of this API.",
            )


def _web(app: App, profile: Profile) -> Iterator[Accepted]:
    yield Accepted("Web/Distribution", "AwsSolutions::AwsSolutions-CFR1", "Users may sit anywhere.")
    yield Accepted(
        "Web/Distribution",
        "AwsSolutions::AwsSolutions-CFR2",
        "A WAF costs more than a small installation; the APIs throttle, logins are limited per address and account.",
    )
    yield Accepted(
        "Web/Distribution",
        "AwsSolutions::AwsSolutions-CFR3",
        "Its logs would hold query strings, and so tickets of sockets; both APIs write access logs without them.",
    )
    if not profile.domain:
        yield Accepted(
            "Web/Distribution",
            "AwsSolutions::AwsSolutions-CFR4",
            "CloudFront's own name comes with its own policy; with a domain of one's own it is TLS 1.2.",
        )
    yield Accepted(
        "Web/Dashboard/Files",
        "AwsSolutions::AwsSolutions-S1",
        "CloudFront alone reads it, and it holds what everybody may see.",
    )
    if profile.emulated:
        return
    bucket = _logical_name(app, "Web/Dashboard/Files/Resource")
    yield Accepted(
        "Web/Dashboard/UploadRole",
        f"{_IAM}[Resource::<{bucket}.Arn>/app/*]",
        "It writes the dashboard's files, whatever they are called, below their prefix alone.",
    )
    for rule in (*_LATEST, "Serverless::Serverless-LambdaTracing"):
        yield Accepted(_UPLOAD, rule, "CDK's own function, which runs at deployments; CDK chooses how.")
    yield Accepted(_UPLOAD, _DEAD_LETTERS, "CloudFormation calls it and waits; a failure fails the deployment.")


def _account(profile: Profile) -> str:
    return profile.account or "<AWS::AccountId>"


def _logical_name(app: App, path: str) -> str:
    element = _find(app, path)
    assert isinstance(element, CfnElement)
    return Stack.of(element).resolve(element.logical_id)  # type: ignore[no-any-return]


def _find(app: App, path: str) -> IConstruct:
    found: IConstruct = app
    for name in path.split("/"):
        found = found.node.find_child(name)
    return found
