"""Long-lived daemons: one module is one container service."""
