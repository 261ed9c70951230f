"""Starts, watches and stops the processes of the local platform; `fullon up` is its face."""
