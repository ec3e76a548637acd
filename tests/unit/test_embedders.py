"""Embedders: unit rows, in order, the same for the same text, and no word to the network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError, StudioError
from engine.ports import Embedder
from engine.providers.embedders import (
    HashingEmbedder,
    SentenceTransformerEmbedder,
    cpu_computes_bf16,
    embedder_name,
)
from engine.providers.weights import cached_weights, find_weights
from engine.schema.project import EmbedderSettings

TEXTS = [
    "Sort the invoices in my Documents folder by month and list any that are missing.",
    "Put the bills in Documents into one folder per month and tell me which months lack one.",
    "The nightly backup of the database fails with a permission error; find out why and repair it.",
    "short",
]


@given(st.lists(st.text(max_size=80), max_size=8))
def test_hashing_gives_unit_rows_that_do_not_depend_on_company(texts: list[str]) -> None:
    together = HashingEmbedder().encode(texts)
    assert together.shape == (len(texts), 768)
    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    for row, text in zip(together, texts, strict=True):
        assert np.array_equal(HashingEmbedder().encode([text])[0], row)


def test_hashing_puts_like_wording_nearer_than_unlike() -> None:
    a, b, c, _ = HashingEmbedder().encode(TEXTS)
    assert a @ b > a @ c + 0.05


def test_hashing_is_the_same_in_every_process() -> None:
    code = (
        "import sys; from engine.providers.embedders import HashingEmbedder;"
        "sys.stdout.write(HashingEmbedder().encode([sys.argv[1]]).tobytes().hex())"
    )
    command = [sys.executable, "-c", code, TEXTS[0]]
    other = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert bytes.fromhex(other) == HashingEmbedder().encode(TEXTS[:1]).tobytes()


def test_progress_ends_at_the_total() -> None:
    seen: list[tuple[int, int]] = []
    HashingEmbedder().encode(["a"] * 2001, lambda done, total: seen.append((done, total)))
    assert seen == [(1000, 2001), (2000, 2001), (2001, 2001)]


def test_the_name_says_the_precision() -> None:
    assert embedder_name(EmbedderSettings()) == "all-mpnet-base-v2"
    assert embedder_name(EmbedderSettings(precision="bf16")) == "all-mpnet-base-v2-bf16"
    assert embedder_name(EmbedderSettings(model="hashing-768", precision="bf16")) == "hashing-768"
    assert SentenceTransformerEmbedder(Path("x"), precision="bf16").name == "all-mpnet-base-v2-bf16"


def test_a_broken_model_is_one_line_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text('[{"idx": 0, "name": "0", "path": "", "type": "x.y.Z"}]')
    with pytest.raises(StudioError, match="'ise-studio weights' fetches it anew") as caught:
        SentenceTransformerEmbedder(tmp_path).encode(["a"])
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def mpnet() -> SentenceTransformerEmbedder:
    folder = find_weights()
    if folder is None:
        pytest.skip(f"the weights are not in {cached_weights()}: run 'ise-studio weights'")
    return SentenceTransformerEmbedder(folder)


@pytest.mark.weights
def test_mpnet_gives_unit_rows_in_order_and_reports_progress(mpnet: Embedder) -> None:
    seen: list[tuple[int, int]] = []
    texts = [f"{text} ({n})" for n in range(10) for text in TEXTS]
    vectors = mpnet.encode(texts, lambda done, total: seen.append((done, total)))
    assert vectors.shape == (40, mpnet.dimension) == (40, 768)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert seen == [(32, 40), (40, 40)]
    assert mpnet.encode([]).shape == (0, 768)


@pytest.mark.weights
def test_mpnet_gives_a_text_the_same_vector_in_any_company(mpnet: Embedder) -> None:
    together = mpnet.encode(TEXTS)
    for row, text in zip(together, TEXTS, strict=True):
        assert np.abs(mpnet.encode([text])[0] - row).max() < 1e-6


@pytest.mark.weights
def test_mpnet_knows_a_paraphrase(mpnet: Embedder) -> None:
    a, b, c, _ = mpnet.encode(TEXTS)
    assert a @ b > 0.7
    assert a @ c < 0.4


@pytest.mark.weights
def test_bf16_stays_near_fp32_or_is_refused_where_it_would_be_slow(mpnet: Embedder) -> None:
    folder = find_weights()
    assert folder is not None
    embedder = SentenceTransformerEmbedder(folder, precision="bf16")
    if not cpu_computes_bf16():
        with pytest.raises(InputError, match='precision = "fp32"'):
            embedder.encode(TEXTS)
        return
    near = embedder.encode(TEXTS)
    assert near.dtype == np.float32
    assert (near * mpnet.encode(TEXTS)).sum(axis=1).min() > 0.999


@pytest.mark.weights
def test_mpnet_asks_no_network_and_writes_nothing_to_stdout(mpnet: Embedder) -> None:
    code = (
        "import sys\n"
        "def refuse(event, args):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo'):\n"
        "        raise SystemExit(f'{event} {args}')\n"
        "sys.addaudithook(refuse)\n"
        "from engine.providers.embedders import SentenceTransformerEmbedder\n"
        "from engine.providers.weights import find_weights\n"
        "SentenceTransformerEmbedder(find_weights()).encode(['hello'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "Loading" not in done.stderr
