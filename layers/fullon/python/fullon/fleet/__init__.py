"""Daemons as a fleet: who runs (registry), who leads (leases with fencing), who should run (control of services)."""
