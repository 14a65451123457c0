"""Debug information (DWARF 2 to 5): from an address to file, line and inlined functions.

Not pyelftools: it makes a Python object of every entry and row that it passes, copies whole sections, and follows what
a damaged object says without bounds. Here most is passed over, without a copy (``docs/debug-information.md``).
"""
