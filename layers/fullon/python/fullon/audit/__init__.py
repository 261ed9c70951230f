"""The hash-chained trail of what people and daemons did: entries are only added, and a changed one is found."""
