"""The catalogue of strategies, and the ones that bots run with parameters of their own."""
