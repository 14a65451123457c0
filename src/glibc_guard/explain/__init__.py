"""Tells where in the code a requirement comes from."""
