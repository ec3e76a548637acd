"""DuckDB over a project: the derived tables, kept up to date, and the questions that the screen asks them."""

from engine.catalog.catalog import Catalog
from engine.catalog.filters import FACETS, TrajectoryFilter
from engine.catalog.refresh import refresh
from engine.query.files import TableFiles

__all__ = ["FACETS", "Catalog", "TableFiles", "TrajectoryFilter", "refresh"]
