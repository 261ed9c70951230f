"""One module per record of the domain."""
