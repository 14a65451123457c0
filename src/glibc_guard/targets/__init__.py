"""Targets: what the systems that were promised provide, and which systems those are.

Its modules are imported one by one: the start of a run needs the error alone, and the tables only what judges.
"""
