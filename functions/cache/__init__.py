"""Latest tickers, bars and process records, straight from Valkey."""
