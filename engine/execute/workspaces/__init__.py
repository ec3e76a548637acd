"""Backends of the Workspace seam, and the program that is resident in each sandbox."""
