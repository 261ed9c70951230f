"""Trading venues: the catalogue, symbols and their precision, and the port behind which ccxt works."""
