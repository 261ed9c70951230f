"""The platform's front door for people and machines: index, merged OpenAPI, AsyncAPI and pages that work offline."""
