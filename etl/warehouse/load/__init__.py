"""Loading: one batch of facts, changes, dimension rows and dead letters in one transaction."""
