"""The format: reads, checks, shows, fetches and shares finished shards. What another lab installs."""
