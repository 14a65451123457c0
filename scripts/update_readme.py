"""Writes the generated parts of README.md: the tables of the Action and of the rules, and the output of a real failure.

``--check`` tells whether they are in step instead, and changes nothing.
"""
