"""Admins start, stop and inspect the daemons."""
