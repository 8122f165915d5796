"""The settings: their model and checks, loading and writing of configurations, and the secrets in them."""
