"""The resident program of a sandbox: fed into it as text, it runs there on the system's own Python.

So these modules import the standard library and each other, nothing else, and use nothing newer than
Python 3.8.
"""
