"""One request rate for all runs: the algorithm, a run's share of it, and its row in the database."""
