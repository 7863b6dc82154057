"""The manifest of a view: tables of samples, shards and videos, sums, a card, and a description in Croissant."""
