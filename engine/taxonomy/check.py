"""Turns four YAML texts into a taxonomy, or says with file and line what is wrong with them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from engine.errors import InputError, NotFoundError, StudioError, one_line
from engine.schema.base import Record
from engine.schema.taxonomy import Complexity, Domain, Persona, Task, Taxonomy
from engine.schema.tools import ToolName
from engine.store.files import read_bytes
from engine.taxonomy.constraints import lean_faults, link_faults, quota_faults, twins, unreachable_tasks
from engine.taxonomy.nodes import Entry, Fault, Kept, ValuePath, parse_entries
from engine.taxonomy.stats import N_DOMAINS, n_combinations

FILES = ("personas.yaml", "domains.yaml", "tasks.yaml", "complexities.yaml")
"""The taxonomy's files, in the order in which they are hashed."""

MIN_TASKS, MAX_TASKS = 3, 6
"""Bounds on the number of tasks of an intent."""

_SURROGATE = re.compile(r"[\ud800-\udfff]")
R = TypeVar("R", bound=Record)


def content_hash(texts: Mapping[str, str]) -> str:
    """sha256 over the four files' bytes, in the order of `FILES`."""
    return hashlib.sha256(b"".join(texts[name].encode("utf-8") for name in FILES)).hexdigest()


def load_taxonomy(folder: Path, version: str) -> Taxonomy:
    """The taxonomy in `folder`, under the name `version`.

    Raises:
        InputError: A file is missing or wrong; the message says `file:line: what is wrong; how to mend it`.
    """
    texts, faults = read_texts(folder)
    if faults:
        raise as_error(faults)
    return parse_taxonomy(texts, version, {name: str(folder / name) for name in FILES})


def check_taxonomy(folder: Path) -> list[str]:
    """All that is wrong with the taxonomy in `folder`, a line each; empty where it is sound.

    It is stricter than loading: entries that say the same twice under two ids, and tasks that name a tool
    which the agent does not have, can be drawn, but are slips.
    """
    texts, faults = read_texts(folder)
    labels = {name: str(folder / name) for name in FILES}
    entries = _read_entries(texts, labels)
    _, more = _validated(entries, texts, "check", labels)
    slips = [
        *twins(entries.personas, "name", "role", "industry"),
        *twins(entries.tasks, "name", "domain_id"),
        *_unknown_tools(entries.tasks),
    ]
    return [str(fault) for fault in (*faults, *more, *slips)]


def parse_taxonomy(
    texts: Mapping[str, str], version: str, labels: Mapping[str, str] | None = None
) -> Taxonomy:
    """The taxonomy that four texts (by file name) hold.

    Args:
        texts: File name -> YAML text, all of `FILES`.
        version: Name that the taxonomy bears.
        labels: File name -> how messages call the file.

    Raises:
        InputError: They are wrong; the message names the first fault and counts the others.
    """
    sound = _sound(tuple(texts[name] for name in FILES)) if len(texts) == len(FILES) else None
    if sound is None:
        raise as_error(validate(texts, version, labels)[1])
    return sound.model_copy(update={"version": version})


@lru_cache(maxsize=8)
def _sound(texts: tuple[str, ...]) -> Taxonomy | None:
    """The taxonomy of four texts in the order of `FILES`, None where one is wrong.

    Kept, since a thousand personas take half a second to read and every page and command asks again.
    """
    return validate(dict(zip(FILES, texts, strict=True)), "")[0]


def as_error(faults: Sequence[Fault]) -> InputError:
    """One error for all faults: the first in full, the others counted."""
    more = f" (and {len(faults) - 1} more: 'ise-studio taxonomy check' lists them)" if len(faults) > 1 else ""
    return InputError(f"{faults[0]}{more}")


def read_texts(folder: Path) -> tuple[dict[str, str], list[Fault]]:
    """The texts of the files that can be read, and a fault for each that cannot."""
    texts: dict[str, str] = {}
    faults = []
    for name in FILES:
        try:
            texts[name] = read_bytes(folder / name).decode("utf-8")
        except UnicodeDecodeError:
            faults.append(Fault(str(folder / name), "the file is not UTF-8 text", "save it as UTF-8"))
        except NotFoundError:
            mend = "restore it, or copy it from a saved version"
            faults.append(Fault(str(folder / name), "the file is missing", mend))
        except StudioError as error:
            faults.append(Fault(str(folder / name), str(error), "check its permissions"))
    return texts, faults


def validate(
    texts: Mapping[str, str], version: str, labels: Mapping[str, str] | None = None
) -> tuple[Taxonomy | None, list[Fault]]:
    """The taxonomy, or None and everything that is wrong. What a file lacks is not held against others."""
    labels = labels or {name: name for name in FILES}
    return _validated(_read_entries(texts, labels), texts, version, labels)


class _Entries(NamedTuple):
    """The valid entries of the four files, and what is wrong with the others."""

    personas: list[Kept[Persona]]
    domains: list[Kept[Domain]]
    tasks: list[Kept[Task]]
    complexities: list[Kept[Complexity]]
    faults: list[Fault]


def _read_entries(texts: Mapping[str, str], labels: Mapping[str, str]) -> _Entries:
    if any(_SURROGATE.search(text) for text in texts.values()):
        fault = Fault(labels[FILES[0]], "a text is not valid Unicode", "save the files as UTF-8")
        return _Entries([], [], [], [], [fault])
    faults: list[Fault] = []
    return _Entries(
        _records(texts, labels, "personas.yaml", Persona, "persona_id", faults),
        _records(texts, labels, "domains.yaml", Domain, "domain_id", faults),
        _records(texts, labels, "tasks.yaml", Task, "task_id", faults),
        _records(texts, labels, "complexities.yaml", Complexity, "level", faults),
        faults,
    )


def _validated(
    entries: _Entries, texts: Mapping[str, str], version: str, labels: Mapping[str, str]
) -> tuple[Taxonomy | None, list[Fault]]:
    personas, domains, tasks, complexities, found = entries
    faults = list(found)
    sound = not faults and len(texts) == len(FILES)
    faults += _orphans(tasks, domains)
    faults += [f for kept in complexities for f in _count_faults(kept)]
    faults += [*lean_faults(personas, domains), *link_faults(tasks)]
    if sound:
        faults += [*_idle(personas), *_empty_domains(tasks, domains), *_prior_faults(complexities)]
        faults += [*quota_faults(domains), *unreachable_tasks(tasks, domains, MAX_TASKS, max(N_DOMAINS))]
    if faults or not sound:
        return None, faults
    taxonomy = Taxonomy(
        version=version,
        content_hash=content_hash(texts),
        personas=tuple(k.record for k in personas),
        domains=tuple(k.record for k in domains),
        tasks=tuple(k.record for k in tasks),
        complexities=tuple(k.record for k in complexities),
    )
    if n_combinations(taxonomy) == 0:
        mend = "add tasks, or weights for fewer tasks in complexities.yaml"
        return None, [Fault(f"{labels['tasks.yaml']}:1", "no cell can be drawn: too few tasks", mend)]
    return taxonomy, []


def _records(
    texts: Mapping[str, str],
    labels: Mapping[str, str],
    name: str,
    kind: type[R],
    key: str,
    faults: list[Fault],
) -> list[Kept[R]]:
    """The valid records of one file, each id once; faults are added to `faults`."""
    if name not in texts:
        return []
    entries, found = parse_entries(texts[name], labels[name])
    faults += found
    kept: dict[str, Kept[R]] = {}
    for entry in entries:
        try:
            record = kind.model_validate(entry.values)
        except ValidationError as error:
            faults += [_field_fault(entry, kind, problem) for problem in error.errors(include_url=False)]
            continue
        entry_id = str(entry.values[key])
        if entry_id in kept:
            first = kept[entry_id].where(key)
            faults.append(
                Fault(
                    entry.where((key,)), f"{key} {entry_id!r} stands in {first} too", "rename or remove one"
                )
            )
        else:
            kept[entry_id] = Kept(record, entry, entry_id)
    return list(kept.values())


def _field_fault(entry: Entry, kind: type[Record], problem: ErrorDetails) -> Fault:
    """What pydantic found, said for someone who edits the file."""
    path: ValuePath = tuple(p for p in problem["loc"] if p != "[key]")
    name = ".".join(str(p) for p in path)
    shown = one_line(repr(problem.get("input")), 60)
    fields = ", ".join(kind.model_fields)
    message, mend = {
        "missing": (f"the field {name!r} is missing", f"add '{name}: ...'"),
        "extra_forbidden": (f"unknown field {one_line(name, 60)!r}", f"use only {fields}"),
        "string_type": (f"{name} is not text: {shown}", "put the value in quotes"),
        "string_too_short": (f"{name} is empty", "write a value"),
        "too_short": (f"{name} is empty", "give at least one value"),
        "float_parsing": (f"{name} {shown} is no number", "write a number"),
        "string_pattern_mismatch": (
            f"{name} {shown} is no valid name",
            "use lower-case letters, digits, '-', '_' and '.', 80 at most",
        ),
    }.get(problem["type"], (f"{name} {shown}: {problem['msg']}", "correct the value"))
    return Fault(entry.where(path), message, mend)


def _orphans(tasks: Sequence[Kept[Task]], domains: Sequence[Kept[Domain]]) -> Iterable[Fault]:
    known = {kept.id for kept in domains}
    if not known:
        return
    for kept in tasks:
        if kept.record.domain_id not in known:
            problem = f"task {kept.id!r} names the unknown domain {kept.record.domain_id!r}"
            yield Fault(kept.where("domain_id"), problem, f"use one of {', '.join(sorted(known))}")


def _unknown_tools(tasks: Sequence[Kept[Task]]) -> Iterable[Fault]:
    for kept in tasks:
        for place, name in enumerate(kept.record.tools):
            if name not in set(ToolName):
                problem = f"task {kept.id!r} names the unknown tool {one_line(name, 60)!r}"
                yield Fault(kept.where("tools", place), problem, f"use {', '.join(ToolName)}")


def _empty_domains(tasks: Sequence[Kept[Task]], domains: Sequence[Kept[Domain]]) -> Iterable[Fault]:
    """Domains that cannot contribute a task, and too few domains to combine."""
    for kept in domains:
        weights = [t.record.weight for t in tasks if t.record.domain_id == kept.id]
        if not weights:
            mend = "add a task with this domain_id to tasks.yaml, or remove the domain"
            yield Fault(kept.where("domain_id"), f"domain {kept.id!r} has no task", mend)
        elif kept.record.weight > 0 and not any(weights):
            mend = "give one of them a weight above 0, or set the domain's weight to 0"
            yield Fault(kept.where("domain_id"), f"every task of domain {kept.id!r} has weight 0", mend)
    if sum(kept.record.weight > 0 for kept in domains) < 2:
        mend = "an intent spans 2 or 3 domains: add one, or give it a weight above 0"
        yield Fault(domains[0].where(), "fewer than 2 domains can be drawn", mend)


def _idle(personas: Sequence[Kept[Persona]]) -> Iterable[Fault]:
    if not any(kept.record.weight for kept in personas):
        mend = "give at least one persona a weight above 0"
        yield Fault(personas[0].where(), "every persona has weight 0", mend)


def _count_faults(kept: Kept[Complexity]) -> Iterable[Fault]:
    """What is wrong with the weights over the number of tasks of one level."""
    weights = kept.record.n_tasks
    for number, weight in weights.items():
        if not MIN_TASKS <= number <= MAX_TASKS:
            mend = f"use {MIN_TASKS} to {MAX_TASKS}"
            yield Fault(kept.where("n_tasks", number), f"n_tasks {number} is out of range", mend)
        if not 0 <= weight <= 1e6:
            where = kept.where("n_tasks", number)
            yield Fault(
                where, f"the weight of n_tasks {number} is {weight}", "use a number from 0 to 1000000"
            )
    if not any(weights.values()):
        mend = "give one number of tasks a weight above 0"
        yield Fault(kept.where("n_tasks"), f"{kept.id}: all n_tasks weights are 0", mend)


def _prior_faults(complexities: Sequence[Kept[Complexity]]) -> Iterable[Fault]:
    total = sum(kept.record.prior for kept in complexities)
    if not abs(total - 1.0) <= 1e-6:
        shown = " + ".join(f"{kept.record.prior:g}" for kept in complexities)
        problem = f"the priors sum to {total:g} ({shown}), not to 1"
        yield Fault(complexities[-1].where("prior"), problem, "change them so that they sum to 1")
