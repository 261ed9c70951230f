"""Who is calling: users, sessions, tokens, API keys, roles and scopes."""
