"""Keeps what UMAP compiles: numba compiles it anew in every process otherwise, for 20 s and up to a minute.

Not all of it can be kept: a function that is given another one, such as the distance, differs from process to
process, and would leave a file behind at each of them. Named here are those that take most of the time.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module

_SLOW = {
    "umap.umap_": ("compute_membership_strengths", "smooth_knn_dist"),
    "umap.utils": ("fast_knn_indices",),
    "pynndescent.kernels": ("generate_graph_update_array_batched",),
    "pynndescent.utils": (
        "apply_sorted_graph_update_array",
        "build_candidates_owner",
        "deheap_sort",
        "sort_updates_by_block",
    ),
}


def keep_compiled() -> None:
    """Has numba keep the slow ones where it keeps all others: beside their source, else in its cache folder.

    It does what `cache=True` in their own decorators would do. One that another version of the libraries no
    longer has, or that no folder can be found for, is compiled as before.
    """
    for name, functions in _SLOW.items():
        for function in functions:
            with suppress(ImportError, AttributeError, RuntimeError):
                getattr(import_module(name), function).enable_caching()
