"""Errors as the ECS API reports them: a type, a sentence and a status.

Names and sentences follow the Amazon ECS API reference, "Common Errors" and the errors of each action.
"""

from __future__ import annotations


class EcsError(Exception):
    """An answer that is an error.

    Args:
        code: name of the exception in the ECS API.
        message: what boto3 shows.
        status: HTTP status.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def invalid_parameter(message: str) -> EcsError:
    """A parameter is missing or has a value that cannot be."""
    return EcsError("InvalidParameterException", message)


def client_error(message: str) -> EcsError:
    """The request names something that does not exist or cannot be done."""
    return EcsError("ClientException", message)


def cluster_not_found() -> EcsError:
    return EcsError("ClusterNotFoundException", "Cluster not found.")


def service_not_found() -> EcsError:
    return EcsError("ServiceNotFoundException", "Service not found.")


def service_not_active() -> EcsError:
    return EcsError("ServiceNotActiveException", "Service was not ACTIVE.")
