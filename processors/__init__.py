"""The stages, as pure functions of (chunk, plan). Nothing below this package knows of Kafka."""
