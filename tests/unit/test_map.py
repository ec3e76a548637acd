"""The map: stable, kept while the pool is the same, faithful to neighbourhoods, quiet."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import InputError
from engine.intents.embed import embed_missing
from engine.intents.map import build_map, pca_coordinates, read_map, trustworthiness, umap_coordinates
from engine.providers.embedders import HashingEmbedder
from engine.schema.intent import Intent
from engine.store import Project
from tests.builders import make_intent

MODEL = "hashing-768"


def _clusters(n: int, d: int = 32, n_centres: int = 4, seed: int = 1) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((n_centres, d))
    x = centres[np.arange(n) % n_centres] + rng.standard_normal((n, d)) * 0.2
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def _pool(project: Project, n: int) -> list[Intent]:
    topics = ["sort the invoices of supplier", "repair the nightly backup on host", "draw a chart of store"]
    intents = [make_intent(f"{topics[k % 3]} number {k} {k * 7 % 11}") for k in range(n)]
    embed_missing(project, HashingEmbedder(), intents)
    return intents


def test_umap_is_stable_keeps_neighbourhoods_and_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    x = _clusters(80)
    seen: list[tuple[int, int]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ImportWarning)
        first = umap_coordinates(x, 7, lambda done, total: seen.append((done, total)))
    assert first.shape == (80, 2)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert np.array_equal(first, umap_coordinates(x, 7))
    assert trustworthiness(x, first, 1) > 0.85
    nearest = np.argsort(np.linalg.norm(first[:, None] - first[None], axis=2), axis=1)[:, 1]
    assert (nearest % 4 == np.arange(80) % 4).mean() > 0.95
    assert seen == [(0, 80), (80, 80)]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("n", [0, 1, 2, 4, 5, 6, 16])
def test_any_number_of_points_has_a_map(n: int) -> None:
    coordinates = umap_coordinates(_clusters(n), seed=1)
    assert coordinates.shape == (n, 2)
    assert np.isfinite(coordinates).all()
    assert 0 <= trustworthiness(_clusters(n), coordinates, 1) <= 1


def test_points_that_are_all_alike_or_opposite_get_a_finite_map() -> None:
    alike = np.tile(_clusters(1), (20, 1))
    assert np.isfinite(umap_coordinates(alike, seed=1)).all()
    opposite = np.concatenate([alike[:10], -alike[:10]])
    assert np.isfinite(umap_coordinates(opposite, seed=1)).all()


def test_pca_keeps_the_two_widest_directions_and_does_not_flip() -> None:
    rng = np.random.default_rng(2)
    x = (rng.standard_normal((200, 6)) * [5, 3, 0.1, 0.1, 0.1, 0.1]).astype(np.float32)
    flat = pca_coordinates(x)
    assert np.corrcoef(flat[:, 0], x[:, 0])[0, 1] > 0.99
    assert np.corrcoef(flat[:, 1], x[:, 1])[0, 1] > 0.99
    assert np.allclose(pca_coordinates(x[::-1])[::-1], flat, atol=1e-3)
    assert pca_coordinates(x[:, :1]).shape == (200, 2)


def test_a_random_layout_is_not_called_trustworthy() -> None:
    x = _clusters(120)
    random = np.random.default_rng(0).standard_normal((120, 2)).astype(np.float32)
    assert trustworthiness(x, random, 1) < 0.65 < trustworthiness(x, x, 1)


def test_a_map_is_kept_until_the_pool_or_the_seed_changes(project: Project) -> None:
    intents = _pool(project, 40)
    assert read_map(project, MODEL, intents) is None
    first = build_map(project, MODEL, intents, seed=3)
    assert (first.method, first.seed, first.reused) == ("umap", 3, False)
    again = build_map(project, MODEL, intents[::-1], seed=3)
    assert again.reused
    assert np.array_equal(again.coordinates[::-1], first.coordinates)
    assert again.trustworthiness == first.trustworthiness
    read = read_map(project, MODEL, intents[5:9])
    assert read is not None
    assert np.array_equal(read.coordinates, first.coordinates[5:9])
    assert not build_map(project, MODEL, intents, seed=4).reused
    assert not build_map(project, MODEL, intents[:-1], seed=4).reused
    assert read_map(project, MODEL, intents) is None


def test_equal_texts_lie_on_one_point(project: Project) -> None:
    intents = _pool(project, 12)
    result = build_map(project, MODEL, [*intents, intents[0]], seed=1)
    assert np.array_equal(result.coordinates[0], result.coordinates[12])


def test_a_pool_without_vectors_is_an_input_error(project: Project) -> None:
    with pytest.raises(InputError, match="embed first"):
        build_map(project, MODEL, [make_intent("never embedded")], seed=1)


def test_an_empty_and_a_tiny_pool_have_a_map(project: Project) -> None:
    assert build_map(project, MODEL, [], seed=1).coordinates.shape == (0, 2)
    tiny = build_map(project, MODEL, _pool(project, 3), seed=1)
    assert (tiny.method, tiny.coordinates.shape) == ("pca", (3, 2))


@pytest.mark.parametrize("damage", [b"", b"not parquet", None])
def test_a_damaged_map_is_named_with_the_mend(project: Project, damage: bytes | None) -> None:
    intents = _pool(project, 4)
    build_map(project, MODEL, intents, seed=1)
    path = project.paths.map(MODEL)
    path.write_bytes(path.read_bytes()[:-20] if damage is None else damage)
    with pytest.raises(
        InputError, match=r"map\.parquet is damaged .* delete it and run 'ise-studio intents map'"
    ):
        read_map(project, MODEL, intents)
