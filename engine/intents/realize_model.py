"""Realises cells with a chat model: several requests at a time, a quality gate, three tries a cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from threading import Lock
from typing import Any, NamedTuple

from engine.errors import ModelError, StudioError, one_line
from engine.intents.gate import problem_with_answer
from engine.intents.realize import make_intent, persona_of, tasks_of
from engine.ports import ChatModel, Progress
from engine.prompts import prompt_hash, render_prompt
from engine.prompts.people import persona_text
from engine.replies import read_json_object
from engine.schema.chat import ChatMessage, Role, Usage
from engine.schema.intent import Cell, Intent, Realization
from engine.schema.taxonomy import Taxonomy
from engine.schema.text import well_formed

MAX_TRIES = 3
"""Answers that are asked of the model for one cell."""

MAX_DEAD_REQUESTS = 5
"""Failed requests, none having succeeded, after which the endpoint is taken to be out of order."""

UTTERANCE_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "utterance": {"type": "string"},
        "asks": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["utterance", "asks"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class RealizeFailure:
    """A cell that could not be realised, and why."""

    cell: Cell
    reason: str


@dataclass(frozen=True, slots=True)
class RealizeResult:
    """What became of the cells, both parts in the order of the cells."""

    intents: tuple[Intent, ...]
    failures: tuple[RealizeFailure, ...]
    usage: Usage


def realize_with_model(
    cells: Sequence[Cell],
    taxonomy: Taxonomy,
    model: ChatModel,
    seed: int,
    progress: Progress | None = None,
    *,
    n_threads: int = 8,
    timeout_s: float = 120.0,
) -> RealizeResult:
    """One intent for each cell that the model can realise; the others are reported, not raised.

    Args:
        cells: What to realise.
        taxonomy: Where the cells' personas and tasks come from.
        model: Any chat model; called from several threads.
        seed: Noted in the records; the model itself carries its sampling seed.
        progress: Called with (cells done, cells in all).
        n_threads: Requests at a time.
        timeout_s: Wall time of one request.

    Raises:
        InputError: A cell names a persona or task that the taxonomy does not have.
        StudioError: The model could realise none of the cells; the first reason is in the message.
    """
    writer = _Writer(taxonomy, model, timeout_s)
    prompts = [writer.prompt(cell) for cell in cells]
    results = _write_all(writer, list(zip(cells, prompts, strict=True)), n_threads, progress)
    failures = tuple(r for r in results if isinstance(r, RealizeFailure))
    if cells and len(failures) == len(cells):
        raise StudioError(f"no intent could be realised: {failures[0].reason}")
    realization = _realization(model, seed)
    intents = tuple(
        make_intent(cell, taxonomy, text, realization)
        for cell, text in zip(cells, results, strict=True)
        if isinstance(text, str)
    )
    return RealizeResult(intents, failures, writer.usage)


def _write_all(
    writer: _Writer, jobs: Sequence[tuple[Cell, str]], n_threads: int, progress: Progress | None
) -> list[str | RealizeFailure]:
    """What the writer gives for each cell and its prompt, in their order."""
    results: dict[int, str | RealizeFailure] = {}
    with ThreadPoolExecutor(max_workers=max(1, n_threads)) as pool:
        futures = {pool.submit(writer.write, *job): position for position, job in enumerate(jobs)}
        for position, result in _in_order_of_arrival(futures):
            results[position] = result
            if progress:
                progress(len(results), len(jobs))
    return [results[position] for position in range(len(jobs))]


def _in_order_of_arrival(
    futures: Mapping[Future[str | RealizeFailure], int],
) -> Iterator[tuple[int, str | RealizeFailure]]:
    """Results as they come; on an interruption, what has not begun is called off."""
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        for future in futures:
            future.cancel()


def _realization(model: ChatModel, seed: int) -> Realization:
    hashes = (prompt_hash(name) for name in ("realize_system", "realize_user", "realize_retry"))
    return Realization(
        provider=model.info.provider, model=model.info.model, seed=seed, prompt_hash="+".join(hashes)
    )


class _Writer:
    """Asks one model for utterances, from several threads."""

    def __init__(self, taxonomy: Taxonomy, model: ChatModel, timeout_s: float) -> None:
        self._taxonomy = taxonomy
        self._model = model
        self._timeout_s = timeout_s
        self._lock = Lock()
        self._seen: set[str] = set()
        self._n_answers = 0
        self._n_dead = 0
        self.usage = Usage()

    def prompt(self, cell: Cell) -> str:
        """What the model is told about a cell."""
        taxonomy = self._taxonomy
        level = next((c for c in taxonomy.complexities if c.level is cell.complexity), None)
        domains = [taxonomy.domain_by_id[d] for d in cell.domain_ids if d in taxonomy.domain_by_id]
        return render_prompt(
            "realize_user",
            persona=persona_text(persona_of(cell, taxonomy)),
            domains="\n".join(f"- {d.domain_id}: {d.description}" for d in domains),
            tasks="\n".join(f"- {t.name}: {t.description}" for t in tasks_of(cell, taxonomy)),
            complexity=f"{cell.complexity.value}: {level.description if level else ''}",
        )

    def write(self, cell: Cell, prompt: str) -> str | RealizeFailure:
        """The utterance of a cell, or why there is none."""
        messages = [
            ChatMessage(role=Role.SYSTEM, content=render_prompt("realize_system")),
            ChatMessage(role=Role.USER, content=prompt),
        ]
        problem = ""
        for _ in range(MAX_TRIES):
            if self._is_dead():
                return RealizeFailure(cell, "not asked: the endpoint had failed too often")
            try:
                content = self._ask(messages)
            except ModelError as error:
                return RealizeFailure(cell, one_line(error))
            utterance, asks, problem = _read(content)
            if not (problem := problem or self._keep(cell, utterance, asks)):
                return utterance
            messages += [
                ChatMessage(role=Role.ASSISTANT, content=content),
                ChatMessage(role=Role.USER, content=render_prompt("realize_retry", problem=problem)),
            ]
        return RealizeFailure(cell, one_line(f"after {MAX_TRIES} tries: {problem}"))

    def _ask(self, messages: Sequence[ChatMessage]) -> str:
        try:
            answer = self._model.complete(
                messages, response_schema=UTTERANCE_SCHEMA, timeout_s=self._timeout_s
            )
        except ModelError as error:
            with self._lock:
                self._n_dead += 1
                self.usage += error.usage
            raise
        with self._lock:
            self._n_answers += 1
            self.usage += answer.usage
        return answer.content

    def _is_dead(self) -> bool:
        with self._lock:
            return not self._n_answers and self._n_dead >= MAX_DEAD_REQUESTS

    def _keep(self, cell: Cell, utterance: str, asks: Sequence[str] | None) -> str:
        """What is wrong with an utterance; one without fault is noted, so that none comes twice."""
        persona, tasks = persona_of(cell, self._taxonomy), tasks_of(cell, self._taxonomy)
        if problem := problem_with_answer(utterance, asks, persona, tasks):
            return problem
        with self._lock:
            if utterance in self._seen:
                return "it repeats the message of another person"
            self._seen.add(utterance)
        return ""


class _Answer(NamedTuple):
    utterance: str
    asks: tuple[str, ...] | None
    problem: str
    """What is wrong with the answer's form."""


def _read(content: str) -> _Answer:
    fields = read_json_object(content) or {}
    utterance, asks = fields.get("utterance"), fields.get("asks")
    if not isinstance(utterance, str):
        return _Answer("", None, 'the answer is not the JSON object {"utterance": "...", "asks": ["..."]}')
    quoted = tuple(map(str, asks)) if isinstance(asks, list) else None
    return _Answer(" ".join(well_formed(utterance).split()), quoted, "")
