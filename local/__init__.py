"""The whole platform on one machine: supervisor, stores, gateway, Lambda runtime, ECS endpoint, paper venue, command."""
