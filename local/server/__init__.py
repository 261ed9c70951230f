"""Fullon on one plain server: unit files for systemd, their environment, and what they start that nothing else does."""
