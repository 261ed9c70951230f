"""The routes that need no identity, each with the reason. A route that is not here has an authorizer."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PUBLIC_ROUTES: Mapping[str, str] = MappingProxyType(
    {
        "POST /api/v1/auth/login": "Whoever logs in has no identity yet; attempts are limited per account and address.",
        "POST /api/v1/auth/refresh": "The refresh token in the body is the credential, spent by its use.",
        "POST /api/v1/auth/register": "Closed unless the installation opens it; limited as logins are.",
        "GET /health": "Says only that the function answers; load balancers and people ask it.",
        "GET /health/ready": "Says only whether the stores answer.",
        "GET /": "The index of links; it holds nothing private.",
        "GET /docs": "Documentation of the API; the same text is in the repository.",
        "GET /docs/{proxy+}": "Pages and styles of the documentation.",
        "GET /redoc": "Another reading of the API's description.",
        "GET /openapi.json": "The API's description; the same file is in the repository.",
        "GET /asyncapi.json": "The sockets' description; the same file is in the repository.",
    }
)
