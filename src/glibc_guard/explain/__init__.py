"""Names the culprits and the cures: where an object uses a symbol, why, and how to be rid of it."""
