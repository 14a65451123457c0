"""Renders a report; one format, one module."""
