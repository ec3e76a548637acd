"""The taxonomy of a project: read and checked, saved in versions, compared, counted, rendered."""

from engine.taxonomy.check import FILES, check_taxonomy, content_hash, load_taxonomy, parse_taxonomy
from engine.taxonomy.render import render_yaml, rows_of
from engine.taxonomy.stats import TaxonomyStats, n_combinations, taxonomy_stats
from engine.taxonomy.versions import (
    EntryChange,
    current_taxonomy,
    diff_taxonomies,
    diff_versions,
    keep_taxonomy,
    list_versions,
    read_version,
    save_taxonomy,
)

__all__ = [
    "FILES",
    "EntryChange",
    "TaxonomyStats",
    "check_taxonomy",
    "content_hash",
    "current_taxonomy",
    "diff_taxonomies",
    "diff_versions",
    "keep_taxonomy",
    "list_versions",
    "load_taxonomy",
    "n_combinations",
    "parse_taxonomy",
    "read_version",
    "render_yaml",
    "rows_of",
    "save_taxonomy",
    "taxonomy_stats",
]
