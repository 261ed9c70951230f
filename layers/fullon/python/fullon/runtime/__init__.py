"""What surrounds the domains: settings, stores, logging, the HTTP and Lambda adapters and the daemon runner."""
