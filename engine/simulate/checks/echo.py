"""Echo: the agent's last answer said again, word for word or lightly reworded."""

from __future__ import annotations

from difflib import SequenceMatcher

from engine.ports import Embedder
from engine.schema.trajectory import Trajectory
from engine.simulate.checks.speech import only_reports
from engine.simulate.checks.text import content_words, ngrams, parts, plain, sentences, words

_N = 3
_NGRAM_SHARE = 0.5
_MIN_WORDS = 8
_SENTENCE_LIKENESS = 0.72
_SENTENCE_WORDS = 5
_ECHOED_SHARE = 0.6
_CONTAINED = 0.55
_MIN_CONTENT = 6
_MAX_SENTENCES = 120
_MAX_SENTENCE_WORDS = 80
_COSINE = 0.9


def no_echo(text: str, trajectory: Trajectory, embedder: Embedder | None = None) -> str:
    """How much of a message is the agent's last answer again; empty where it is no echo.

    A quoted value or name is none, nor is what the user pastes.

    Args:
        text: The message.
        trajectory: What has been played.
        embedder: Compares the meaning too, where one is given.
    """
    answer = (trajectory.turns[-1].answer if trajectory.turns else None) or ""
    own = parts(text).own
    if not answer or len(words(own)) < _MIN_WORDS:
        return ""
    shares = (
        (_ngram_share(own, answer), _NGRAM_SHARE, "of its word sequences stand in"),
        (_echoed_share(own, answer), _ECHOED_SHARE, "of it says again sentences of"),
        (_contained_share(own, answer), _CONTAINED, "of what it says stands in"),
        (_cosine(own, answer, embedder), _COSINE, "of its meaning is that of"),
    )
    return next(
        (f"{share:.0%} {what} the agent's last answer" for share, most, what in shares if share > most), ""
    )


def _ngram_share(own: str, answer: str) -> float:
    said = ngrams(own, _N)
    return len(said & ngrams(answer, _N)) / len(said) if said else 0.0


def _echoed_share(own: str, answer: str) -> float:
    """The share of the words that stand in sentences much like one of the answer's."""
    told = [
        w
        for s in sentences(answer)[:_MAX_SENTENCES]
        if len(w := words(plain(s))[:_MAX_SENTENCE_WORDS]) >= _SENTENCE_WORDS
    ]
    said = [words(plain(s))[:_MAX_SENTENCE_WORDS] for s in sentences(own)[:_MAX_SENTENCES]]
    echoed = sum(len(s) for s in said if len(s) >= _SENTENCE_WORDS and any(_are_alike(s, t) for t in told))
    total = sum(map(len, said))
    return echoed / total if total else 0.0


def _are_alike(said: list[str], told: list[str]) -> bool:
    if 2 * len(set(said) & set(told)) < _SENTENCE_LIKENESS * (len(set(said)) + len(set(told))) * 0.8:
        return False
    return SequenceMatcher(None, said, told, autojunk=False).ratio() >= _SENTENCE_LIKENESS


def _contained_share(own: str, answer: str) -> float:
    """The share of the content words that the answer holds, of a message that only reports."""
    if not only_reports(own):
        return 0.0
    said = content_words(own)
    return len(said & content_words(answer)) / len(said) if len(said) >= _MIN_CONTENT else 0.0


def _cosine(own: str, answer: str, embedder: Embedder | None) -> float:
    if embedder is None or not only_reports(own):
        return 0.0
    said, told = embedder.encode([own, answer])
    return float(said @ told)
