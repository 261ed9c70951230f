"""Tiny Lambda functions that the gateway and the Lambda runtime are tested with."""
