"""Stops a release whose native code will not load on the oldest Linux system it was promised to."""

__version__ = "0.1.0"
