"""Pieces of pages that more than one view draws."""
