"""A user's SQL over the derived tables, run in a bounded child process.

The child imports this package too: it stays light.
"""
