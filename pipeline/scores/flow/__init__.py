"""How far flow is from the exact one: of a column, of any estimator, and of what was trained, by the same means."""
