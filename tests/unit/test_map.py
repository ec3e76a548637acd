"""The map: stable as the pool changes, faithful to neighbourhoods, quiet."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from engine.cli.main import cli
from engine.errors import InputError
from engine.intents.embed import embed_missing
from engine.intents.layout import pca_coordinates, place_among, trustworthiness, umap_coordinates
from engine.intents.map import build_map, read_map
from engine.providers.embedders import HashingEmbedder
from engine.schema.intent import Intent
from engine.store import Project
from engine.store.vectors import append_vectors
from tests.builders import make_intent, save_intents

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


def test_what_was_compiled_once_is_kept_for_the_next_process() -> None:
    umap_coordinates(_clusters(20), 1)
    code = (
        "import numpy as np, umap.umap_ as u; from engine.intents.layout import umap_coordinates; "
        "umap_coordinates(np.random.default_rng(1).standard_normal((20, 8)).astype(np.float32), 1); "
        "kept = (u.smooth_knn_dist, u.compute_membership_strengths, u.fast_knn_indices); "
        "print([sum(f.stats.cache_misses.values()) for f in kept])"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout == "[0, 0, 0]\n"


@pytest.mark.parametrize("n", [0, 1, 2, 4, 5, 6, 16])
def test_any_number_of_points_has_a_map(n: int) -> None:
    coordinates = umap_coordinates(_clusters(n), seed=1)
    assert coordinates.shape == (n, 2)
    assert np.isfinite(coordinates).all()
    assert 0 <= trustworthiness(_clusters(n), coordinates, 1) <= 1


def test_a_map_of_many_points_is_seeded_too() -> None:
    x = _clusters(4200)
    first = umap_coordinates(x, 7)
    assert np.array_equal(first, umap_coordinates(x, 7))
    assert trustworthiness(x, first, 1) > 0.7


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


def test_trustworthiness_is_scikit_learns_and_can_be_that_of_some_points() -> None:
    from sklearn.manifold import trustworthiness as theirs

    x = _clusters(200)
    flat = pca_coordinates(x)
    for n in (200, 40, 7):
        expected = theirs(x[:n], flat[:n], n_neighbors=min(15, (n - 1) // 2), metric="cosine")
        assert trustworthiness(x[:n], flat[:n], 1) == pytest.approx(expected, abs=1e-4)
    some = np.arange(200) < 50
    shares = [trustworthiness(x, flat, 1, of) for of in (some, ~some)]
    assert np.average(shares, weights=[50, 150]) == pytest.approx(trustworthiness(x, flat, 1), abs=1e-9)
    strewn = np.where(some[:, None], np.random.default_rng(0).standard_normal((200, 2)), flat)
    assert trustworthiness(x, strewn.astype(np.float32), 1, some) < trustworthiness(x, flat, 1, some) - 0.1


@pytest.mark.parametrize("n_mapped", [1, 3, 15, 60])
def test_a_point_is_placed_within_its_neighbours_whoever_else_is_placed(n_mapped: int) -> None:
    x = _clusters(n_mapped + 300)
    mapped, new = x[:n_mapped], x[n_mapped:]
    flat = pca_coordinates(mapped)
    placed = place_among(new, mapped, flat)
    assert placed.dtype == np.float32
    assert (placed >= flat.min(axis=0) - 1e-6).all()
    assert (placed <= flat.max(axis=0) + 1e-6).all()
    np.testing.assert_allclose(place_among(new[::-1], mapped, flat)[::-1], placed, atol=1e-5)
    assert place_among(new[:0], mapped, flat).shape == (0, 2)
    assert np.isfinite(place_among(mapped, mapped, flat)).all()


def _clustered_pool(project: Project, n: int) -> list[Intent]:
    """Intents whose vectors stand in four clusters, row k in cluster k % 4."""
    intents = [make_intent(f"intent number {k}") for k in range(n)]
    append_vectors(project, MODEL, [i.utterance for i in intents], _clusters(n))
    return intents


def test_new_intents_are_placed_near_their_own_and_nothing_else_moves(project: Project) -> None:
    intents = _clustered_pool(project, 320)
    first = build_map(project, MODEL, intents[:300], seed=3)
    assert not first.placed.any()
    assert first.trustworthiness_placed is None
    grown = build_map(project, MODEL, intents, seed=3)
    assert grown.reused
    assert np.array_equal(grown.coordinates[:300], first.coordinates)
    assert np.array_equal(grown.placed, np.arange(320) >= 300)
    centres = np.stack([first.coordinates[c::4].mean(axis=0) for c in range(4)])
    away = np.linalg.norm(grown.coordinates[300:, None] - centres, axis=2)
    own = np.arange(300, 320)[:, None] % 4 == np.arange(4)
    assert away[own].mean() < away[~own].mean() / 4
    assert grown.trustworthiness_placed is not None
    assert grown.trustworthiness_placed > 0.85
    assert grown.trustworthiness > 0.85
    seen = read_map(project, MODEL, intents, 3)
    assert seen is not None
    assert np.array_equal(seen.coordinates, grown.coordinates)
    assert seen.trustworthiness == grown.trustworthiness


def test_it_does_not_matter_in_which_order_intents_come_or_whether_they_were_drawn(project: Project) -> None:
    intents = _clustered_pool(project, 130)
    build_map(project, MODEL, intents[:100], seed=3)
    read = read_map(project, MODEL, intents, 3)
    assert read is not None
    build_map(project, MODEL, [*intents[:100], *intents[115:]], seed=3)
    built = build_map(project, MODEL, intents, seed=3)
    np.testing.assert_allclose(built.coordinates, read.coordinates, atol=1e-4)


def test_dropped_intents_vanish_and_come_back_where_they_were(project: Project) -> None:
    intents = _clustered_pool(project, 60)
    build_map(project, MODEL, intents[:50], seed=3)
    whole = build_map(project, MODEL, intents, seed=3)
    fewer = build_map(project, MODEL, intents[20:55], seed=3)
    assert fewer.reused
    assert np.array_equal(fewer.coordinates, whole.coordinates[20:55])
    assert int(fewer.placed.sum()) == 5
    again = build_map(project, MODEL, intents[::-1], seed=3)
    assert np.array_equal(again.coordinates[::-1], whole.coordinates)
    assert again.trustworthiness == whole.trustworthiness


def test_a_map_is_fitted_again_on_demand_with_another_seed_or_once_outgrown(project: Project) -> None:
    intents = _clustered_pool(project, 61)
    assert read_map(project, MODEL, intents[:40], 3) is None
    first = build_map(project, MODEL, intents[:40], seed=3)
    assert (first.method, first.seed, first.reused) == ("umap", 3, False)
    half = build_map(project, MODEL, intents[:60], seed=3)
    assert half.reused
    anew = build_map(project, MODEL, intents[:60], seed=3, anew=True)
    assert not anew.reused
    assert not anew.placed.any()
    assert not np.array_equal(anew.coordinates, half.coordinates)
    assert read_map(project, MODEL, intents[:60], 4) is None
    assert not build_map(project, MODEL, intents[:40], seed=4).reused
    assert read_map(project, MODEL, intents, 4) is None
    assert not build_map(project, MODEL, intents, seed=4).reused


def test_a_tiny_map_is_made_again_as_soon_as_it_grows(project: Project) -> None:
    intents = _clustered_pool(project, 6)
    assert build_map(project, MODEL, intents[:4], seed=1).method == "pca"
    assert build_map(project, MODEL, intents[:3], seed=1).reused
    assert build_map(project, MODEL, intents, seed=1).method == "umap"


def test_a_map_whose_fitted_vectors_are_gone_says_how_to_go_on(project: Project) -> None:
    intents = _clustered_pool(project, 20)
    build_map(project, MODEL, intents[:15], seed=1)
    for part in project.paths.embeddings(MODEL).glob("part-*.parquet"):
        part.unlink()
    append_vectors(project, MODEL, [i.utterance for i in intents[15:]], _clusters(5))
    with pytest.raises(InputError, match=r"no hashing-768 vector .* intents map --anew"):
        build_map(project, MODEL, intents[15:], seed=1)
    assert not build_map(project, MODEL, intents[15:], seed=1, anew=True).reused


def test_the_command_tells_what_was_fitted_and_what_was_placed(project: Project) -> None:
    settings = project.paths.settings
    settings.write_text('name = "test"\n[embedder]\nmodel = "hashing-768"\n', encoding="utf-8")
    intents = _clustered_pool(project, 26)
    save_intents(project, *intents[:20])
    assert _mapped(project)["n_placed"] == 0
    save_intents(project, *intents[20:])
    told = _mapped(project)
    assert (told["n"], told["n_fitted"], told["n_placed"], told["method"]) == (26, 20, 6, "umap")
    assert 0 <= told["trustworthiness_placed"] <= 1
    anew = _mapped(project, "--anew")
    assert (anew["n_fitted"], anew["n_placed"], anew["trustworthiness_placed"]) == (26, 0, None)


def _mapped(project: Project, *options: str) -> dict[str, Any]:
    words = ["--project", str(project.root), "--json", "intents", "map", *options]
    result = CliRunner().invoke(cli, words, catch_exceptions=False)
    value: dict[str, Any] = json.loads(result.stdout)
    return value


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
        read_map(project, MODEL, intents, 1)
