"""Debug information (DWARF 2 to 5): from an address to file, line and inlined functions.

Not pyelftools: it makes a Python object of every entry and row that it passes, and follows what a damaged object says
without bounds. What is read here is wide, hostile, and mostly passed over; ``docs/debug-information.md`` has the figures.
"""
