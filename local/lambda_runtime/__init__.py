"""Runs functions as AWS Lambda does: each in its own process, through the Lambda Runtime API."""
