"""An evaluation: how the kernel of an embedding is aligned with that of the flow, and what both look like."""
