"""What keeps the repository's generated files true; nothing here is deployed."""
