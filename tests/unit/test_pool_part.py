"""A random part of a pool stands for it: embedded and measured without the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine import generation, pipeline
from engine.cli.main import cli
from engine.errors import InputError
from engine.intents.embed import random_part, vectors_of
from engine.intents.vendi import vendi_score
from engine.store import Project
from engine.store.intents import read_kept_intents

MODEL = "hashing-768"


@pytest.fixture
def pool(tmp_path: Path) -> Project:
    """300 intents of a project whose embedder needs no weights; 100 of them are embedded."""
    project = Project.create(tmp_path / "pool")
    settings = project.paths.settings
    text = settings.read_text(encoding="utf-8").replace("all-mpnet-base-v2", MODEL)
    settings.write_text(text, encoding="utf-8")
    project = Project.open(project.root)
    generation.generate_intents(project, 300, seed=5)
    pipeline.embed_intents(project, sample=100)
    return project


def test_a_part_is_measured_as_the_pool_by_itself(pool: Project) -> None:
    part = random_part(read_kept_intents(pool), 100, pool.settings.seed)
    measured, gain = pipeline.measure_pool(pool, sample=100)
    assert (measured.n, gain.pool.n, gain.without.n) == (100, 100, 0)
    assert measured.vendi == pytest.approx(vendi_score(vectors_of(pool, MODEL, part)), rel=1e-9)


def test_a_smaller_part_needs_no_new_vectors_and_a_larger_one_does(pool: Project) -> None:
    assert pipeline.measure_pool(pool, sample=40).diversity.n == 40
    with pytest.raises(InputError, match="20 of 120 intents have no hashing-768 vector"):
        pipeline.measure_pool(pool, sample=120)


def test_a_condition_chooses_within_the_part(pool: Project) -> None:
    part = random_part(read_kept_intents(pool), 100, pool.settings.seed)
    n_complex = sum(i.cell.complexity == "complex" for i in part)
    measured, gain = pipeline.measure_pool(pool, where="complexity = 'complex'", sample=100)
    assert (measured.n, gain.pool.n, gain.without.n) == (n_complex, 100, 100 - n_complex)


def test_the_command_measures_what_the_command_embedded(pool: Project) -> None:
    words = ["--project", str(pool.root), "--json", "intents", "diversity", "--sample", "100"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["n"] == 100
