"""The use cases: each module connects components for one command. No module here knows the command line."""
