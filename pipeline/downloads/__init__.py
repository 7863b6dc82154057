"""Videos from the web: fetched shard by shard into a store by content, which several datasets and users share."""
