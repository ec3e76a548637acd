"""All that a user may know at a turn: the intent, what was said, and what the ledger shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from engine.schema.intent import Intent
from engine.schema.sandbox import SessionState
from engine.schema.trajectory import ToolCall, Trajectory, Turn
from engine.simulate.claims.dates import days_in
from engine.simulate.claims.manifest import Manifest, manifest_of
from engine.simulate.claims.numbers import tokens_in, values_in, word_value
from engine.simulate.claims.signs import (
    ABSENT,
    COMMON_WORDS,
    EMPTY_TOLD,
    ENDS,
    PART_OF,
    SOME_BAD,
    TESTS,
    cut,
    evidence_text,
    exit_codes_of,
    is_reading,
    lines_with,
    stands,
)

_ALL_CHARS = 8_000_000
_RECENT = 20_000
"""Of what a call showed the first and the last characters in which counts are looked up."""


_FEW = 30


class Source(NamedTuple):
    """One text of the record and what it is, in words."""

    label: str
    text: str


class Known:
    """The record up to a turn, made ready for looking things up. Texts are in lower case."""

    def __init__(self, intent: Intent, turns: Sequence[Turn]) -> None:
        self.turns = tuple(turns)
        self._intent = intent
        self.persona = intent.persona
        self._absent: dict[str, bool] = {}
        self._observed: dict[str, bool] = {}
        self.calls: tuple[ToolCall, ...] = tuple(c for turn in self.turns for c in turn.tool_calls())
        self.last_calls: tuple[ToolCall, ...] = tuple(self.turns[-1].tool_calls()) if self.turns else ()

    @cached_property
    def manifest(self) -> Manifest:
        """The files as they stand."""
        return manifest_of(self.calls)

    @cached_property
    def given(self) -> tuple[Source, ...]:
        """The intent and what user and agent said."""
        details = "\n".join(f"{k.rpartition(':')[2]} {v}" for k, v in self._intent.details.items())
        persona = "\n".join(map(str, self._intent.persona.model_dump().values()))
        sources = [
            Source("the intent", cut(f"{self._intent.utterance}\n{details}")),
            Source("the persona", cut(persona)),
        ]
        for turn in self.turns:
            sources.append(Source(f"the message of turn {turn.index + 1}", cut(turn.utterance.text)))
            if turn.answer:
                sources.append(Source(f"the answer of turn {turn.index + 1}", cut(turn.answer)))
        return tuple(sources)

    @cached_property
    def answers(self) -> tuple[Source, ...]:
        """What the agent said."""
        return tuple(source for source in self.given if source.label.startswith("the answer"))

    @cached_property
    def evidence(self) -> tuple[Source, ...]:
        """What was executed and what came back, the last turn first."""
        sources: list[Source] = []
        room = _ALL_CHARS
        for turn in reversed(self.turns):
            for call in turn.tool_calls():
                text = evidence_text(call)
                room -= len(text)
                if room > 0:
                    sources.append(Source(f"the ledger of turn {turn.index + 1}", text))
        return tuple(sources)

    @cached_property
    def numbers_given(self) -> tuple[tuple[str, set[float]], ...]:
        """The numbers of what was said, with where they stand."""
        return tuple((source.label, values_in(source.text)) for source in self.given)

    @cached_property
    def numbers_evidenced(self) -> tuple[tuple[str, set[float]], ...]:
        """The numbers of the ledger, the last turn first, with where they stand."""
        return tuple((source.label, values_in(source.text)) for source in self.evidence)

    @cached_property
    def days_evidenced(self) -> set[tuple[int, int]]:
        """Month and day of every day that the ledger names."""
        return {day for source in self.evidence for day in days_in(source.text)}

    @cached_property
    def last_answer(self) -> str:
        """The last answer in lower case; empty where none came."""
        return cut(self.turns[-1].answer or "", _RECENT) if self.turns else ""

    @cached_property
    def last_texts(self) -> tuple[str, ...]:
        """What the last turn brought: its answer and what its calls showed."""
        return (
            self.last_answer,
            *(cut(call.observation, _RECENT) for call in self.last_calls if not is_reading(call)),
        )

    @cached_property
    def shown(self) -> tuple[tuple[ToolCall, str], ...]:
        """Every call with what it showed, as far as there is room."""
        room, shown = _ALL_CHARS, []
        for call in reversed(self.calls):
            text = cut(call.observation)
            room -= len(text)
            if room > 0:
                shown.append((call, text))
        return tuple(shown)

    @cached_property
    def older_texts(self) -> tuple[str, ...]:
        """The intent, all messages, and what earlier turns brought."""
        earlier = self.calls[: len(self.calls) - len(self.last_calls)]
        shown = [cut(call.observation, _RECENT) for call in earlier]
        read = [cut(call.observation, _RECENT) for call in self.last_calls if is_reading(call)]
        return (*(source.text for source in self.given), *read, *shown)

    @cached_property
    def last_answer_numbers(self) -> set[float]:
        """The numbers of the last answer."""
        return tokens_in(self.last_answer)

    @cached_property
    def last_numbers(self) -> set[float]:
        """The numbers of what the last turn's commands printed."""
        return {value for text in self.last_texts for value in tokens_in(text)}

    @cached_property
    def words(self) -> frozenset[str]:
        """The beginnings of the words of the last turn: its answer, its output, its commands and paths."""
        paths = [change.path for call in self.last_calls for change in call.ledger.changes]
        lines = [cut(call.ledger.command_line[:4000]) for call in self.last_calls]
        text = "\n".join([*self.last_texts, *paths, *lines])
        return frozenset(word[:5] for word in re.findall(r"[a-z]{3,30}", text.lower()))

    def parts_of(self, whole: str) -> set[float]:
        """What the last turn says of how many of so many."""
        total = _value(whole.lower())
        pairs = [m.groups() for text in self.last_texts for m in PART_OF.finditer(text)]
        values = [(_value(a or d or ""), _value(b or c or "")) for a, b, c, d in pairs]
        return {part for part, of in values if part is not None and of == total and of is not None}

    def shows_partial(self, whole: float | None = None) -> str | None:
        """The words by which the last answer says that not all of something came about; None without any.

        Args:
            whole: Of how many; None where it does not matter.
        """
        for found in PART_OF.finditer(self.last_answer):
            words = found.groups() if found[1] else (found[4], found[3])
            part, total = (_value(word) for word in words[:2])
            if part is not None and total is not None and part < total and whole in (None, total):
                return found[0]
        found_bad = SOME_BAD.search(self.last_answer) if whole is None else None
        return found_bad[0] if found_bad else None

    def n_empty_told(self) -> int:
        """How many files the last turn says are empty; 0 where it does not say."""
        found = [m for text in self.last_texts for m in EMPTY_TOLD.finditer(text)]
        counts = [int(m[1] or m[2]) for m in found]
        return counts[-1] if counts and min(counts) > 0 else 0

    @cached_property
    def common_words(self) -> frozenset[str]:
        """Words that the record writes with a small letter: no names of people."""
        texts = [
            self._intent.utterance,
            *(t.utterance.text for t in self.turns),
            *(t.answer or "" for t in self.turns),
        ]
        texts += [call.observation[:50_000] for call in self.last_calls]
        return frozenset(re.findall(r"(?<![A-Za-z])[a-z]{2,30}(?![A-Za-z])", "\n".join(texts)))

    def is_name(self, word: str) -> bool:
        """True for a capitalised word that the record never writes with a small letter: maybe a person."""
        return word.lower() not in self.common_words

    def is_relevant(self, clause: str) -> bool:
        """True where a clause shares a word with the last turn, or has no words of its own."""
        words = [w for w in re.findall(r"[a-z]{3,30}", clause.lower()) if w not in COMMON_WORDS]
        return not words or any(word[:5] in self.words for word in words)

    @cached_property
    def exit_codes(self) -> set[int]:
        """The exit codes of the last turn's calls and of the sessions that they were about."""
        return exit_codes_of(self.last_calls)

    @cached_property
    def sessions(self) -> tuple[SessionState, ...]:
        """The background sessions as they were last heard of."""
        last: dict[str, SessionState] = {}
        for call in self.calls:
            last.update({state.session_id: state for state in call.ledger.sessions})
        return tuple(last.values())

    @property
    def may_run(self) -> bool:
        """True where a session runs or a process was left behind."""
        if any(state.running for state in self.sessions):
            return True
        left = [n for n, call in enumerate(self.calls) if call.ledger.n_left]
        return bool(left) and not any(
            ENDS.search(c.ledger.command_line[:8000]) for c in self.calls[left[-1] :]
        )

    @cached_property
    def test_calls(self) -> tuple[ToolCall, ...]:
        """Calls that look like tests, checks or builds."""
        return tuple(
            c
            for c in self.calls
            if TESTS.search(c.ledger.command_line[:8000] + "\n" + c.observation[:20_000])
        )

    def calls_of(self, command: str) -> list[ToolCall]:
        """The calls whose command line holds these words."""
        wanted = " ".join(command.lower().split())
        return [
            c for c in self.calls if stands(wanted, " ".join(c.ledger.command_line[:8000].lower().split()))
        ]

    def find(self, text: str, *, in_evidence: bool) -> str | None:
        """Where a text stands as a word of its own, in words; None where it does not."""
        wanted = text.lower()
        sources = self.evidence if in_evidence else self.given
        return next((source.label for source in sources if stands(wanted, source.text)), None)

    def speaks_of(self, name: str) -> bool:
        """True where a call, the intent or a message names it; an answer's word for it is none."""
        base = name.rstrip("/").rpartition("/")[2].lower()
        said = (source for source in self.given if source not in self.answers)
        return any(stands(base, source.text) for source in (*self.evidence, *said))

    def last_output_bad(self) -> str | None:
        """The words by which the output of the last turn's last command says that some are left or wrong."""
        shown = [cut(call.observation) for call in self.last_calls if not is_reading(call)]
        found = SOME_BAD.search(shown[-1]) if shown else None
        return found[0] if found else None

    @cached_property
    def sums(self) -> set[float]:
        """Sums, differences and quotients of two of the last turn's numbers, of the 30 smallest."""
        few = sorted(self.last_answer_numbers | self.last_numbers)[:_FEW]
        found: set[float] = set()
        for n, a in enumerate(few):
            for b in few[n:]:
                found |= {a + b, b - a, round(b / a, 2)} if a else {b}
        return found

    def was_done(self, signs: re.Pattern[str]) -> bool:
        """True where a command line or an answer holds the signs of a deed."""
        lines = (call.ledger.command_line[:8000].lower() for call in self.calls)
        return any(map(signs.search, lines)) or any(signs.search(answer.text) for answer in self.answers)

    def who_said(self, words: str) -> str:
        """The mark of a quotation: "quoted" from agent or call, the user's "own"; empty where unheard."""
        if any(words in text for text in self._flat_evidence):
            return "quoted"
        return "own" if any(words in " ".join(s.text.split()) for s in self.given) else ""

    @cached_property
    def _flat_evidence(self) -> tuple[str, ...]:
        return tuple(" ".join(source.text.split()) for source in (*self.evidence, *self.answers))

    def is_absent(self, name: str) -> bool:
        """True where a call or an answer says that the name is not there."""
        if name not in self._absent:
            self._absent[name] = self._says_absent(name)
        return self._absent[name]

    def _says_absent(self, name: str) -> bool:
        wanted = name.lower().rpartition("/")[2] or name.lower()
        texts = (self.last_answer, *(text for _, text in self.shown))
        return any(ABSENT.search(line) for text in texts for line in lines_with(wanted, text, ".;"))

    def observed(self, name: str) -> bool:
        """True where a call saw the name, on a line that does not speak of its absence."""
        if name not in self._observed:
            self._observed[name] = self._saw(name)
        return self._observed[name]

    def _saw(self, name: str) -> bool:
        wanted = name.lower().removeprefix("/workspace/").removeprefix("./").rstrip("/")
        return any(_saw(call, text, wanted) for call, text in self.shown)


def _saw(call: ToolCall, text: str, wanted: str) -> bool:
    """True where the call showed the name on a line that does not speak of its absence."""
    if (call.failed and call.name in {"write", "edit"}) or not stands(wanted, text):
        return False
    return any(stands(wanted, line) and not ABSENT.search(line) for line in lines_with(wanted, text))


def _value(word: str) -> float | None:
    return float(word) if word.isdigit() else (word_value(word) or None)


def known_at(trajectory: Trajectory) -> Known:
    """What is known before the trajectory's next turn."""
    return Known(trajectory.intent, trajectory.turns)
