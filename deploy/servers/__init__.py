"""Kafka, Redis, PostgreSQL and Prometheus for tests and for a laptop without Docker (docs/servers.md)."""
