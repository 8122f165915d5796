"""The settings: what can be configured, how it is checked, loaded and written, and what in it is secret."""
