"""The daemons as an operator sees them: process records, leases with fencing, service control."""
