"""The expression that narrows which cells are drawn, such as `domain=file-io and not complexity=simple`.

Grammar:

```
expression = conjunction { "or" conjunction }
conjunction = factor { "and" factor }
factor     = "not" factor | "(" expression ")" | test
test       = field "=" value | field "!=" value | field ["not"] "in" "(" value { "," value } ")"
field      = persona | role | industry | level | domain | task | complexity | n_domains | n_tasks
value      = letters, digits, "-", "_" and ".", or any text in '...' or "..."
```

A cell spans several domains and tasks: `domain=X` is true if X is among them, `domain!=X` if it is not.
Names are compared without regard to case; a name that the taxonomy does not have is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple

from engine.errors import InputError, one_line
from engine.schema.taxonomy import Persona, Taxonomy
from engine.taxonomy.check import MAX_TASKS, MIN_TASKS
from engine.taxonomy.stats import N_DOMAINS

MAX_CHARS = 2000
MAX_DEPTH = 30

PERSONA_FIELDS = frozenset({"persona", "role", "industry", "level"})
SIZE_FIELDS = frozenset({"complexity", "n_tasks"})
DOMAIN_FIELDS = frozenset({"domain", "n_domains"})


class Candidate(NamedTuple):
    """A cell that may be drawn. Parts that are not drawn yet are None or empty."""

    persona: Persona | None = None
    complexity: str = ""
    domain_ids: Sequence[str] = ()
    task_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of a candidate, and the fields that it looks at."""

    fields: frozenset[str]
    holds: Callable[[Candidate], bool]


def _of_persona(pick: Callable[[Persona], str]) -> Callable[[Candidate], set[str]]:
    return lambda candidate: {pick(candidate.persona).lower()} if candidate.persona else set()


_VALUES: Mapping[str, Callable[[Candidate], set[str]]] = {
    "persona": _of_persona(lambda p: p.persona_id),
    "role": _of_persona(lambda p: p.role),
    "industry": _of_persona(lambda p: p.industry),
    "level": _of_persona(lambda p: p.experience_level.value),
    "domain": lambda c: set(c.domain_ids),
    "task": lambda c: set(c.task_ids),
    "complexity": lambda c: {c.complexity},
    "n_domains": lambda c: {str(len(c.domain_ids))},
    "n_tasks": lambda c: {str(len(c.task_ids))},
}


def _choices(taxonomy: Taxonomy, field: str) -> list[str]:
    """The values that `field` can take in this taxonomy."""
    personas = taxonomy.personas
    found: dict[str, Sequence[object]] = {
        "persona": [p.persona_id for p in personas],
        "role": [p.role for p in personas],
        "industry": [p.industry for p in personas],
        "level": [p.experience_level.value for p in personas],
        "domain": [d.domain_id for d in taxonomy.domains],
        "task": [t.task_id for t in taxonomy.tasks],
        "complexity": [c.level.value for c in taxonomy.complexities],
        "n_domains": N_DOMAINS,
        "n_tasks": range(MIN_TASKS, MAX_TASKS + 1),
    }
    return sorted({str(value) for value in found[field]})


class _Token(NamedTuple):
    kind: str
    """"word", "text" (a quoted value), "=", "!=", "(", ")", "," or "end"."""
    text: str
    at: int


_TOKEN = re.compile(
    r"""\s*(?:(?P<word>[\w.-]+)|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<sign>!=|=|\(|\)|,)|(?P<other>\S))"""
)


def parse_where(text: str, taxonomy: Taxonomy) -> list[Condition]:
    """The conditions, all of which a cell must meet; one for each part joined by the outermost "and"s.

    Raises:
        InputError: The expression is wrong; the message says where, and names the choices.
    """
    if len(text) > MAX_CHARS:
        raise InputError(f"the where expression exceeds {MAX_CHARS} characters: shorten it")
    return _Parser(text, taxonomy).parse()


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy
        self._tokens = _tokens(text)
        self._position = 0
        self._depth = 0

    def parse(self) -> list[Condition]:
        parts = self._conjuncts()
        if self._is_word("or"):
            parts = [self._disjunction(_all_of(parts))]
        if self._now.kind != "end":
            raise self._wrong("expected 'and', 'or' or the end")
        return parts

    def _expression(self) -> Condition:
        return self._disjunction(_all_of(self._conjuncts()))

    def _disjunction(self, first: Condition) -> Condition:
        parts = [first]
        while self._is_word("or"):
            self._advance()
            parts.append(_all_of(self._conjuncts()))
        return _any_of(parts)

    def _conjuncts(self) -> list[Condition]:
        parts = [self._factor()]
        while self._is_word("and"):
            self._advance()
            parts.append(self._factor())
        return parts

    def _factor(self) -> Condition:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._wrong("nested too deeply")
        try:
            if self._is_word("not"):
                self._advance()
                return _negated(self._factor())
            if self._now.kind == "(":
                self._advance()
                inner = self._expression()
                self._expect(")")
                return inner
            return self._test()
        finally:
            self._depth -= 1

    def _test(self) -> Condition:
        field = self._now.text.lower()
        if self._now.kind != "word" or field not in _VALUES:
            raise self._wrong(f"expected a field ({', '.join(_VALUES)})")
        self._advance()
        negative = self._now.kind == "!=" or self._is_word("not")
        if self._now.kind in ("=", "!="):
            self._advance()
            values = {self._value(field)}
        else:
            if negative:
                self._advance()
            values = self._value_list(field)
        condition = _among(field, values)
        return _negated(condition) if negative else condition

    def _value_list(self, field: str) -> set[str]:
        if not self._is_word("in"):
            raise self._wrong(f"expected '=', '!=' or 'in (...)' after {field}")
        self._advance()
        self._expect("(")
        values = {self._value(field)}
        while self._now.kind == ",":
            self._advance()
            values.add(self._value(field))
        self._expect(")")
        return values

    def _value(self, field: str) -> str:
        token = self._now
        if token.kind not in ("word", "text"):
            raise self._wrong(f"expected a value of {field}")
        choices = _choices(self._taxonomy, field)
        value = token.text.lower()
        if value not in {choice.lower() for choice in choices}:
            raise self._wrong(f"no {field} {token.text!r}; {_offer(value, choices)}")
        self._advance()
        return value

    @property
    def _now(self) -> _Token:
        return self._tokens[self._position]

    def _advance(self) -> None:
        self._position += 1

    def _is_word(self, word: str) -> bool:
        return self._now.kind == "word" and self._now.text.lower() == word

    def _expect(self, kind: str) -> None:
        if self._now.kind != kind:
            raise self._wrong(f"expected {kind!r}")
        self._advance()

    def _wrong(self, problem: str) -> InputError:
        found = self._now.text or "the end"
        where = f"the where expression, character {self._now.at + 1} ({one_line(found, 40)!r})"
        example = "domain=file-io and complexity in (medium, complex)"
        return InputError(one_line(f"{where}: {problem}; write for example: {example}", 600))


def _tokens(text: str) -> list[_Token]:
    tokens = []
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        value, at = match[kind], match.start(kind)
        name = {"word": "word", "double": "text", "single": "text", "sign": value}.get(kind, "other")
        tokens.append(_Token(name, value, at))
    return [*tokens, _Token("end", "", len(text))]


def _offer(value: str, choices: Sequence[str], limit: int = 12) -> str:
    if len(choices) <= limit:
        return f"choose one of {', '.join(choices)}"
    lower = {choice.lower(): choice for choice in choices}
    near = get_close_matches(value, list(lower), n=limit, cutoff=0.3)
    shown = [lower[name] for name in near] or choices[:limit]
    return f"choose one of {', '.join(shown)} or {len(choices) - len(shown)} others"


def _among(field: str, values: set[str]) -> Condition:
    of = _VALUES[field]
    return Condition(frozenset({field}), lambda candidate: not values.isdisjoint(of(candidate)))


def _negated(inner: Condition) -> Condition:
    return Condition(inner.fields, lambda candidate: not inner.holds(candidate))


def _all_of(parts: Sequence[Condition]) -> Condition:
    fields = frozenset[str]().union(*(p.fields for p in parts))
    return Condition(fields, lambda candidate: all(p.holds(candidate) for p in parts))


def _any_of(parts: Sequence[Condition]) -> Condition:
    fields = frozenset[str]().union(*(p.fields for p in parts))
    return Condition(fields, lambda candidate: any(p.holds(candidate) for p in parts))
