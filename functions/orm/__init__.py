"""Users, API keys, exchanges and symbols."""
