"""Renders the values of the layers below as text, HTML, CSV and JSON."""
