"""All that is KooDrive: how a request is authenticated and sent, and what an answer means."""
