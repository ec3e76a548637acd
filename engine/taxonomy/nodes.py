"""YAML entries with their line numbers, so that a fault can say where it is. The input is not trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import yaml

from engine.errors import one_line
from engine.schema.base import Record

MAX_FILE_CHARS = 8_000_000
MAX_DEPTH = 12
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

R = TypeVar("R", bound=Record)
ValuePath = tuple[str | int, ...]
"""Where a value stands within its entry: field names and positions."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a taxonomy file, and how to mend it."""

    where: str
    problem: str
    mend: str

    def __str__(self) -> str:
        return one_line(f"{self.where}: {self.problem}; {self.mend}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a file: plain values, and the line of each value by its path within the entry."""

    file: str
    values: dict[str, Any]
    lines: Mapping[ValuePath, int]

    def where(self, path: ValuePath = ()) -> str:
        """`file:line` of the value at `path`, or of the nearest value around it."""
        while path not in self.lines:
            path = path[:-1]
        return f"{self.file}:{self.lines[path]}"


@dataclass(frozen=True, slots=True)
class Kept(Generic[R]):
    """A valid entry's record, and the entry for its lines."""

    record: R
    entry: Entry
    id: str

    def where(self, *path: str | int) -> str:
        """`file:line` of a field of the entry, or of the entry."""
        return self.entry.where(path)


class _RefusedError(Exception):
    """The YAML is refused; carries the fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


@dataclass(slots=True)
class _Reader:
    """Turns the nodes of one file into plain values, noting lines and faults."""

    file: str
    loader: Any
    faults: list[Fault] = field(default_factory=list)

    def entry(self, node: yaml.Node) -> Entry | None:
        """The entry at `node`; None, and a fault, where it is no mapping."""
        if not isinstance(node, yaml.MappingNode):
            self._fault(node, "an entry is not a mapping", "write 'field: value' lines under a '- '")
            return None
        lines: dict[ValuePath, int] = {}
        before = len(self.faults)
        values = self._mapping(node, (), lines)
        lines[()] = node.start_mark.line + 1
        return Entry(self.file, values, lines) if len(self.faults) == before else None

    def _value(self, node: yaml.Node, path: ValuePath, lines: dict[ValuePath, int]) -> object:
        lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, lines)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, i), lines) for i, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(
        self, node: yaml.MappingNode, path: ValuePath, lines: dict[ValuePath, int]
    ) -> dict[str, Any]:
        values: dict[Any, object] = {}
        for key_node, value_node in node.value:
            key = self._scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str | int):
                self._fault(key_node, "a field name is not plain text", "write the name as a single word")
            elif key in values:
                self._fault(key_node, f"the field {key!r} is given twice", "remove one of the two")
            else:
                values[key] = self._value(value_node, (*path, key), lines)
                lines[(*path, key)] = key_node.start_mark.line + 1
        return values

    def _scalar(self, node: yaml.Node) -> object:
        try:
            return self.loader.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError, OverflowError, LookupError, AttributeError):
            self._fault(node, "a value cannot be read", "put it in quotes")
            return None

    def _fault(self, node: yaml.Node, problem: str, mend: str) -> None:
        self.faults.append(Fault(f"{self.file}:{node.start_mark.line + 1}", problem, mend))


def parse_entries(text: str, file: str) -> tuple[list[Entry], list[Fault]]:
    """The entries of a taxonomy file and what is wrong with its YAML.

    Entries with a fault are left out of the first list; everything readable is in it.
    """
    try:
        _refuse_hostile(text, file)
        return _entries(text, file)
    except _RefusedError as refused:
        return [], [refused.fault]
    except yaml.YAMLError as error:
        return [], [_syntax_fault(error, file)]


def _refuse_hostile(text: str, file: str) -> None:
    """Raises _RefusedError for aliases, tags, deep nesting and size, before any tree is built."""
    if len(text) > MAX_FILE_CHARS:
        raise _RefusedError(
            Fault(file, f"the file exceeds {MAX_FILE_CHARS:,} characters", "split or shorten it")
        )
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _RefusedError(
                Fault(f"{file}:{line}", "anchors (&) and aliases (*) are not allowed", "write the value out")
            )
        if getattr(event, "tag", None):
            raise _RefusedError(Fault(f"{file}:{line}", "tags (!) are not allowed", "write the plain value"))
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _RefusedError(Fault(f"{file}:{line}", "nested too deeply", "use a flat list of entries"))


def _entries(text: str, file: str) -> tuple[list[Entry], list[Fault]]:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None or (isinstance(root, yaml.ScalarNode) and not root.value):
            raise _RefusedError(Fault(f"{file}:1", "the file has no entries", "add one, or restore the file"))
        if not isinstance(root, yaml.SequenceNode):
            line = root.start_mark.line + 1
            raise _RefusedError(
                Fault(f"{file}:{line}", "the file is not a list", "start each entry with '- '")
            )
        if not root.value:
            raise _RefusedError(Fault(f"{file}:1", "the file has no entries", "add one, or restore the file"))
        reader = _Reader(file, loader)
        entries = [entry for node in root.value if (entry := reader.entry(node))]
    finally:
        loader.dispose()
    return entries, reader.faults


def _syntax_fault(error: yaml.YAMLError, file: str) -> Fault:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else 1
    problem = getattr(error, "problem", None) or str(error)
    mend = "check indentation and colons, and put text with special characters in quotes"
    return Fault(f"{file}:{line}", f"not valid YAML ({one_line(problem, 120)})", mend)
