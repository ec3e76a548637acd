"""The only package that opens project files: atomic writes, validated reads, locks."""

from engine.store.project import Project

__all__ = ["Project"]
