"""What a batch would add: told before it is kept, true once it is; and what a selection adds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine import generation, pipeline
from engine.cli.main import cli
from engine.errors import InputError
from engine.intents.embed import vectors_of
from engine.intents.vendi import vendi_score
from engine.preview import preview_intents
from engine.store import Project
from engine.store.intents import list_batches, read_kept_intents, write_batch
from engine.store.vectors import read_vectors
from tests.builders import make_intent

MODEL = "hashing-768"


@pytest.fixture
def hashed(tmp_path: Path) -> Project:
    """A project whose embedder needs no weights."""
    project = Project.create(tmp_path / "hashed")
    settings = project.paths.settings
    text = settings.read_text(encoding="utf-8").replace("all-mpnet-base-v2", MODEL)
    settings.write_text(text, encoding="utf-8")
    return Project.open(project.root)


def run(project: Project, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--project", str(project.root), "--json", *words])


def scored(project: Project) -> float:
    return vendi_score(vectors_of(project, MODEL, read_kept_intents(project)))


@pytest.mark.parametrize("balance", [None, 0.3])
def test_a_preview_writes_no_batch_and_tells_what_the_kept_batch_comes_to(
    hashed: Project, balance: float | None
) -> None:
    generation.generate_intents(hashed, 60, seed=4)
    pipeline.embed_intents(hashed)
    before = sorted(p for p in hashed.root.rglob("*") if "embeddings" not in p.parts)
    told = preview_intents(hashed, 40, balance=balance)
    assert sorted(p for p in hashed.root.rglob("*") if "embeddings" not in p.parts) == before
    assert list_batches(hashed) == ["batch-0001"]
    assert (told.n, told.pool.n, told.after.n, told.model) == (40, 60, 100, MODEL)
    assert told.pool.vendi == pytest.approx(scored(hashed), rel=1e-6)
    made = generation.generate_intents(hashed, 40, seed=told.seed, balance=balance).intents
    assert read_vectors(hashed, MODEL, [i.utterance for i in made]).missing == []
    assert told.after.vendi == pytest.approx(scored(hashed), rel=1e-6)
    assert told.adds == told.after.vendi - told.pool.vendi
    assert told.per_100 == pytest.approx(told.adds * 2.5)
    assert told.batch.vendi == pytest.approx(vendi_score(vectors_of(hashed, MODEL, made)), rel=1e-9)


def test_a_preview_into_an_empty_pool_starts_from_nothing(hashed: Project) -> None:
    told = preview_intents(hashed, 10, seed=3)
    assert (told.pool.n, told.pool.vendi) == (0, 0)
    assert told.adds == pytest.approx(told.batch.vendi, rel=1e-6)


def test_repeats_of_the_pool_are_counted(hashed: Project) -> None:
    drawn = generation.draw_intents(hashed, 20, 5)
    again = [make_intent(utterance=i.utterance.upper()) for i in drawn[:4]]
    write_batch(hashed, again)
    pipeline.embed_intents(hashed)
    told = preview_intents(hashed, 20, seed=5)
    assert (told.n_repeats, told.n_repeats_within) == (4, 0)


def test_intents_that_are_there_already_are_refused_as_sample_refuses_them(hashed: Project) -> None:
    generation.generate_intents(hashed, 5, seed=9)
    with pytest.raises(InputError, match=r"5 intents are in the project already, .* take another --seed"):
        preview_intents(hashed, 5, seed=9)


def test_a_pool_without_vectors_asks_to_embed_first(hashed: Project) -> None:
    generation.generate_intents(hashed, 5, seed=9)
    with pytest.raises(InputError, match="embed first"):
        preview_intents(hashed, 5, seed=10)


def test_the_commands_answer_what_a_batch_and_a_selection_add(hashed: Project) -> None:
    generation.generate_intents(hashed, 50, seed=1)
    pipeline.embed_intents(hashed)
    told = json.loads(run(hashed, "intents", "sample", "--count", "30", "--preview").stdout)
    assert run(hashed, "intents", "sample", "--count", "30", "--seed", str(told["seed"])).exit_code == 0
    where = ("--where", "batch = 'batch-0002'")
    found = json.loads(run(hashed, "intents", "diversity", *where, "--by", "industry").stdout)
    assert (found["n"], found["selection"]["n"], found["pool"]["n"], found["without"]["n"]) == (
        30,
        30,
        80,
        50,
    )
    assert found["selection"]["vendi"] == found["vendi"] == told["batch"]["vendi"]
    assert found["pool"]["vendi"] == pytest.approx(told["after"]["vendi"], rel=1e-9)
    assert found["adds"] == pytest.approx(told["adds"], rel=1e-9)
    industries = {i.persona.industry for i in read_kept_intents(hashed)[50:]}
    assert {g["group"] for g in found["groups"]} == industries
    whole = json.loads(run(hashed, "intents", "diversity").stdout)
    assert whole["selection"] == whole["pool"] == {"n": 80, "vendi": whole["vendi"]}
    assert whole["adds"] == whole["vendi"]


@pytest.mark.parametrize("q", ["0.1", "0.5", "2", "inf"])
def test_any_order_from_a_tenth_to_infinity_is_taken(hashed: Project, q: str) -> None:
    generation.generate_intents(hashed, 12, seed=1)
    pipeline.embed_intents(hashed)
    found = json.loads(run(hashed, "intents", "diversity", "--q", q).stdout)
    x = vectors_of(hashed, MODEL, read_kept_intents(hashed))
    assert found["vendi"] == pytest.approx(vendi_score(x, float(q)), rel=1e-9)


def test_a_preview_with_a_model_is_refused(hashed: Project) -> None:
    done = run(hashed, "intents", "sample", "--count", "3", "--realizer", "openai:some", "--preview")
    assert isinstance(done.exception, InputError)
    assert "scripted" in str(done.exception)
