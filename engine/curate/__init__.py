"""After the stages: what is kept, how it is cut, and how it leaves."""
