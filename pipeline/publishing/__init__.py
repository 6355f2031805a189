"""From shards to a published dataset."""
