"""The streaming shell: workers on Kafka around the engine that an embedded run has."""
