"""Scripts that use the platform as its customers do, each about one topic; `run_all` runs them all."""
