"""Thin stacks, split by life cycle: what is rebuilt freely is apart from what must survive.

Inputs flow one way: network, data, schema, realtime, daemons, api, web, observability.
"""
