"""Candles, trades, time series and exports."""
