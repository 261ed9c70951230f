"""Keeps the daemons as they are wanted, after a deployment and on a schedule."""
