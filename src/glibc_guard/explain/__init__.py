"""Where a requirement comes from, why it is there, and how to be rid of it."""
