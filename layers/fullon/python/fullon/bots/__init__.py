"""Bots: what users let trade for them, with their feeds, logs and simulations."""
