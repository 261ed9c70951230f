"""Fullon, the product: domains of a crypto trading platform over a small kernel, wired by :mod:`fullon.runtime`."""

__version__ = "0.1.0"
