"""Orders, fills, positions, balances, profit and loss."""
