"""config.yaml: its schema, and what it resolves to."""
