"""Latest tickers, bars, bots and process records, straight from Valkey."""
