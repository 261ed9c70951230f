"""A small Amazon ECS for one machine: its JSON protocol to unmodified boto3, containers as plain processes."""
