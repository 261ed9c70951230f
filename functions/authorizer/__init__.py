"""Turns a JWT, an API key or a ticket into the identity context."""
