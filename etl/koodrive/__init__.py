"""The client of KooDrive: authenticates and sends requests, and interprets the responses."""
