"""Networks: image encoders, heads, flow networks; weights on disk."""
