"""Sends many requests at once: at a limited rate, with retries and a circuit breaker. It does not know KooDrive."""
