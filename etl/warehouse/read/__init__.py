"""Reading the warehouse: ready-made questions, periods, overviews, labels and dead letters."""
