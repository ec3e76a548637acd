"""How a corpus's figures are told on the command line: each beside the paper's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.cli.base import table

if TYPE_CHECKING:
    from engine.curate.corpus import Corpus

_LABELS = {
    "n": "trajectories",
    "user_turns_mean": "user turns, mean",
    "user_turns_median": "user turns, median",
    "user_turns_max": "user turns, highest",
    "user_turns_6_to_10": "with 6 to 10 user turns",
    "messages_mean": "messages, mean",
    "messages_max": "messages, highest",
    "tool_calls_mean": "tool calls, mean",
    "tools_mean": "distinct tools, mean",
    "with_failure": "with a failed call",
    "with_recovery": "with a failed call and its recovery",
    "successful": "ended as a success",
    "tasks_covered": "tasks that occur",
    "tasks": "tasks of the taxonomy",
    "shared_sentences_max": "user sentences that two share, at most",
    "n_pairs": "pairs of conversations compared",
    "named_files": "files that users named after they were made",
    "named_files_there": "of those there at that turn",
    "n_reexecuted": "re-executed",
    "fidelity": "calls that came out the same again",
}
_SHARES = frozenset(
    {
        "user_turns_6_to_10",
        "with_failure",
        "with_recovery",
        "successful",
        "shared_sentences_max",
        "named_files_there",
        "fidelity",
    }
)


def corpus_json(corpus: Corpus) -> dict[str, Any]:
    """The figures, and the paper's under "paper"."""
    from engine.curate.corpus import PAPER

    return {**corpus.model_dump(mode="json"), "paper": PAPER}


def corpus_text(corpus: Corpus) -> str:
    """One row a figure."""
    from engine.curate.corpus import PAPER

    rows = [
        (label, _told(name, getattr(corpus, name)), _told(name, PAPER.get(name)))
        for name, label in _LABELS.items()
    ]
    return table(("figure", "here", "paper"), rows)


def _told(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name in _SHARES:
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
