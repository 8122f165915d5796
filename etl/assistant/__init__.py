"""The server for assistants: read-only tools over the Model Context Protocol, on the standard streams."""
