"""Lambda functions: one folder is one function; manifest.toml lists them all, and the daemons."""
