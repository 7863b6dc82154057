"""What keeps a tree of results in order: retry, gc, estimate, time stamps."""
