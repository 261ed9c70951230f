"""The whole platform on one machine: supervisor, stores, gateway, Lambda runtime, ECS, paper venue and the command."""
