"""Routes by what they answer with."""
