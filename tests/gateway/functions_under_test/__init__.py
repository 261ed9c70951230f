"""Functions for tests of the gateway in one process."""
