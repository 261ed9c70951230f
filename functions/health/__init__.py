"""Liveness, readiness and probes. Looking changes nothing."""
