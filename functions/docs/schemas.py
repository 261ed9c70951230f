"""What the index answers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Index(BaseModel):
    """Where to go from here."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "service": "fullon",
                    "version": "0.1.0",
                    "links": {"docs": "/docs", "openapi": "/openapi.json", "health": "/health"},
                }
            ]
        }
    )

    service: str = Field(description="Always fullon.")
    version: str
    links: dict[str, str] = Field(description="Addresses by name.")
