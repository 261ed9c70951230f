"""Who did what and when, as a chain of hashes that shows any later change."""
