"""What one command has done: each module wires the components for one use case. Nothing here knows a command line."""
