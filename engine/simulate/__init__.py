"""Stage 2: the role-locked user simulator."""
