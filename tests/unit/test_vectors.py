"""Kept vectors: what was written comes back, nothing is made twice, damage is named."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.errors import InputError, StudioError
from engine.intents.embed import embed_missing, vectors_of
from engine.ports import Progress
from engine.providers.embedders import HashingEmbedder
from engine.store import Project
from engine.store.vectors import append_vectors, read_vectors
from tests.builders import make_intent

MODEL = "hashing-768"


class _Counting(HashingEmbedder):
    """Counts what it is asked for, and is killed after so many calls."""

    def __init__(self, calls_to_live: int = 1000) -> None:
        self.asked: list[str] = []
        self._left = calls_to_live

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> NDArray[np.float32]:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        self.asked += texts
        return super().encode(texts, progress)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    batches=st.lists(st.lists(st.text(max_size=6), max_size=5), max_size=4),
    asked=st.lists(st.text(max_size=6)),
)
def test_what_was_appended_is_read_back_and_the_rest_is_missing(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[str]], asked: list[str]
) -> None:
    project = Project.create(tmp_path_factory.mktemp("p") / "project")
    embedder = HashingEmbedder()
    known: set[str] = set()
    for batch in batches:
        fresh = append_vectors(project, MODEL, batch, embedder.encode(batch))
        assert fresh == len(set(batch) - known)
        known |= set(batch)
    asked = asked + sorted(known)
    array, missing = read_vectors(project, MODEL, asked)
    assert missing == [i for i, text in enumerate(asked) if text not in known]
    present = [i for i, text in enumerate(asked) if text in known]
    if present:
        assert np.array_equal(array[present], embedder.encode([asked[i] for i in present]))
        assert not array[missing].any()


def test_without_vectors_all_are_missing(project: Project) -> None:
    array, missing = read_vectors(project, MODEL, ["a", "b"])
    assert array.shape == (2, 0)
    assert missing == [0, 1]
    assert not project.paths.embeddings(MODEL).exists()


def test_two_writers_lose_nothing(project: Project) -> None:
    texts = [[f"writer {w} text {n}" for n in range(5)] + ["shared"] for w in range(8)]

    def write(batch: list[str]) -> None:
        append_vectors(project, MODEL, batch, HashingEmbedder().encode(batch))

    threads = [threading.Thread(target=write, args=(batch,)) for batch in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = [text for batch in texts for text in batch]
    assert read_vectors(project, MODEL, every).missing == []
    assert len(list(project.paths.embeddings(MODEL).glob("part-*.parquet"))) == 8


@pytest.mark.parametrize("where", ["torn", "empty", "flipped", "foreign"])
def test_a_damaged_part_is_named_with_the_mend(project: Project, where: str) -> None:
    texts = [f"text {n}" for n in range(50)]
    append_vectors(project, MODEL, texts, HashingEmbedder().encode(texts))
    path = project.paths.embeddings(MODEL) / "part-0001.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    damaged = {"torn": bytes(data[:-100]), "empty": b"", "flipped": bytes(data), "foreign": b"PAR1 no PAR1"}
    path.write_bytes(damaged[where])
    with pytest.raises(InputError, match=r"part-0001\.parquet is damaged .* delete it and run"):
        read_vectors(project, MODEL, texts)
    path.unlink()
    assert len(read_vectors(project, MODEL, texts).missing) == 50


def test_a_file_that_only_looks_like_a_part_is_none(project: Project) -> None:
    append_vectors(project, MODEL, ["a"], HashingEmbedder().encode(["a"]))
    folder = project.paths.embeddings(MODEL)
    (folder / "part-0x1.parquet").write_bytes(b"no part")
    append_vectors(project, MODEL, ["b"], HashingEmbedder().encode(["b"]))
    assert read_vectors(project, MODEL, ["a", "b"]).missing == []
    assert {p.name for p in folder.glob("*.parquet")} == {
        "part-0001.parquet",
        "part-0002.parquet",
        "part-0x1.parquet",
    }


def test_vectors_of_two_widths_under_one_name_are_refused(project: Project) -> None:
    append_vectors(project, MODEL, ["a"], np.ones((1, 3), np.float32))
    append_vectors(project, MODEL, ["b"], np.ones((1, 4), np.float32))
    with pytest.raises(InputError, match=r"part-0002\.parquet is damaged"):
        read_vectors(project, MODEL, ["a", "b"])


@pytest.mark.parametrize("model", ["../../etc", "a/b", "", ".hidden", "A B", "a\n"])
def test_a_model_name_never_becomes_a_path_outside(project: Project, model: str) -> None:
    with pytest.raises(InputError, match="no name of an embedding model"):
        read_vectors(project, model, ["a"])
    with pytest.raises(InputError, match="no name of an embedding model"):
        append_vectors(project, model, ["a"], np.ones((1, 3), np.float32))


def test_rows_that_are_not_finite_are_refused(project: Project) -> None:
    with pytest.raises(ValueError, match="finite rows"):
        append_vectors(project, MODEL, ["a"], np.full((1, 3), np.nan, np.float32))


def test_a_folder_that_cannot_be_written_is_one_line(project: Project) -> None:
    (project.root / "embeddings").write_text("a file stands in the way")
    with pytest.raises(StudioError, match="cannot write"):
        append_vectors(project, MODEL, ["a"], np.ones((1, 3), np.float32))


def test_embedding_goes_on_where_it_was_killed_and_never_repeats_a_text(project: Project) -> None:
    intents = [make_intent(utterance=f"task number {n // 2}") for n in range(700)]
    killed, second, third = _Counting(calls_to_live=2), _Counting(), _Counting()
    with pytest.raises(KeyboardInterrupt):
        embed_missing(project, killed, intents)
    seen: list[tuple[int, int]] = []
    assert (
        embed_missing(project, second, intents, lambda done, total: seen.append((done, total))) == 350 - 256
    )
    assert seen[-1] == (94, 94)
    assert sorted(killed.asked + second.asked) == sorted({i.utterance for i in intents})
    assert embed_missing(project, third, intents) == 0
    assert third.asked == []
    expected = HashingEmbedder().encode([i.utterance for i in intents])
    assert np.array_equal(vectors_of(project, MODEL, intents), expected)


def test_vectors_of_intents_that_have_none_asks_to_embed_first(project: Project) -> None:
    embed_missing(project, HashingEmbedder(), [make_intent(utterance="one")])
    with pytest.raises(InputError, match="1 of 2 intents have no hashing-768 vector: embed first"):
        vectors_of(project, MODEL, [make_intent(utterance="one"), make_intent(utterance="two")])
