"""API Gateway on one machine: HTTP API, WebSocket API and the functions behind them, in one process."""
