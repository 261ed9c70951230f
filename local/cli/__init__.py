"""The `fullon` command. `main` declares the commands; each imports what it needs when it is called."""
