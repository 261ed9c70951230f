"""Market data: ticks, candles and public trades, as values, in PostgreSQL and in Valkey."""
