"""Splits: a selection cut by intent, so that nothing a model is tested on was asked in its training."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from engine.catalog import Catalog
from engine.errors import InputError, one_line
from engine.schema.base import Record, utc_now
from engine.schema.split import Split
from engine.store.curation import check_name, read_selection, read_split, write_split
from engine.store.project import Project
from engine.words import words_of

_EXAMPLE = "write e.g. train=0.9,validation=0.05,test=0.05"


class Asked(NamedTuple):
    """What one trajectory was asked: all that a split looks at."""

    trajectory_id: str
    intent_id: str
    utterance: str


class SplitReport(Record):
    """What a check of a split found."""

    name: str
    sizes: Mapping[str, int]
    """Part -> trajectories."""
    n_intents: Mapping[str, int]
    """Part -> distinct intents, exact repeats counted once."""
    deviations: Mapping[str, float]
    """Part -> its share of the trajectories minus the share that was asked for."""
    shared_intents: tuple[str, ...]
    """Intents that stand in more than one part."""
    repeated: tuple[str, ...]
    """Trajectories that stand more than once."""
    missing: tuple[str, ...]
    """Trajectories that are no longer in the project."""

    @property
    def ok(self) -> bool:
        """True when the parts share nothing and every trajectory is there."""
        return not (self.shared_intents or self.repeated or self.missing)


def parse_ratios(text: str) -> dict[str, float]:
    """The ratios of `train=0.9,validation=0.05,test=0.05`, in that order.

    Raises:
        InputError: A name or number is wrong, or the ratios do not sum to 1.
    """
    ratios: dict[str, float] = {}
    for item in text.split(","):
        name, _, number = (word.strip() for word in item.partition("="))
        try:
            value = float(number)
        except ValueError as error:
            raise InputError(f"cannot read the ratio {one_line(item, 60)!r}: {_EXAMPLE}") from error
        if check_name(name) in ratios:
            raise InputError(f"the part {name!r} stands twice in the ratios: {_EXAMPLE}")
        ratios[name] = value
    return check_ratios(ratios)


def check_ratios(ratios: Mapping[str, float]) -> dict[str, float]:
    """The ratios, if they can cut a selection.

    Raises:
        InputError: One is not between 0 and 1, they do not sum to 1, or two parts have one name for readers.
    """
    check_parts(ratios)
    for name, value in ratios.items():
        if not 0.0 <= value <= 1.0:
            raise InputError(f"the ratio of {name!r} is {value:g}, not between 0 and 1: {_EXAMPLE}")
    total = math.fsum(ratios.values())
    if abs(total - 1.0) > 1e-6:
        raise InputError(f"the ratios sum to {total:g}, not to 1: {_EXAMPLE}")
    return dict(ratios)


def check_parts(names: Iterable[str]) -> None:
    """Passes names of parts that are file names and stay distinct on a card.

    Raises:
        InputError: One is no name, or two are one to those who read the card.
    """
    shown: dict[str, str] = {}
    for name in names:
        other = shown.setdefault(shown_part(check_name(name)), name)
        if other != name:
            raise InputError(f"the parts {other!r} and {name!r} are one to readers of the card: rename one")


def shown_part(part: str) -> str:
    """How a dataset card names a part: `datasets` takes letters, digits and '_' only."""
    return re.sub(r"\W", "_", part)


def make_split(project: Project, name: str, selection: str, ratios: Mapping[str, float], seed: int) -> Split:
    """Cuts a selection and saves the split, in the place of an older one of that name.

    The same selection, ratios and seed give the same parts.

    Raises:
        InputError: The name or the ratios are wrong, trajectories of the selection are gone, or there are
            fewer intents than parts; nothing was written.
    """
    check_name(name)
    ratios = check_ratios(ratios)
    selected = read_selection(project, selection)
    asked = _asked(project, selected.trajectory_ids)
    gone = len(set(selected.trajectory_ids)) - len(asked)
    if gone:
        raise InputError(
            f"{gone} trajectories of selection {selection!r} are gone: save it again with "
            "'ise-studio select save'"
        )
    parts = cut(asked, ratios, seed)
    split = Split(
        name=name,
        selection=selection,
        where=selected.where,
        seed=seed,
        ratios=ratios,
        parts=parts,
        created_at=utc_now(),
    )
    write_split(project, split)
    return split


def cut(asked: Iterable[Asked], ratios: Mapping[str, float], seed: int) -> dict[str, tuple[str, ...]]:
    """Part name -> trajectory ids, sorted; what is of one intent, or of its exact repeats, goes together.

    Intents are drawn in an order that the seed decides, first one for every part with a positive ratio, then
    each for the part that is furthest below its share.

    Raises:
        InputError: There are fewer distinct intents than parts with a positive ratio.
    """
    groups = [sorted(a.trajectory_id for a in group) for group in group_by_intent(asked).values()]
    groups.sort(key=lambda ids: hashlib.sha256(f"{seed}:{ids[0]}".encode()).digest())
    wanted = [part for part, ratio in ratios.items() if ratio > 0]
    if len(groups) < len(wanted):
        raise InputError(
            f"{len(wanted)} parts need as many distinct intents, and the selection has {len(groups)}: "
            "select more, or cut fewer parts"
        )
    total = sum(len(ids) for ids in groups)
    parts: dict[str, list[str]] = {part: [] for part in ratios}
    for place, ids in enumerate(groups):
        if place < len(wanted):
            part = wanted[place]
        else:
            part = max(wanted, key=lambda p: ratios[p] * total - len(parts[p]))
        parts[part].extend(ids)
    return {part: tuple(sorted(ids)) for part, ids in parts.items()}


def group_by_intent(asked: Iterable[Asked]) -> dict[str, list[Asked]]:
    """The trajectories that ask the same: of one intent id, or in the same words whatever the case and signs.

    The key of a group is the smallest intent id in it.
    """
    everything = sorted(asked)
    group_of: dict[str, str] = {}

    def root(key: str) -> str:
        while (up := group_of.setdefault(key, key)) != key:
            key = up
        return key

    for item in everything:
        one, other = sorted(
            (root(f"id:{item.intent_id}"), root(f"words:{' '.join(words_of(item.utterance))}"))
        )
        group_of[other] = one
    groups: dict[str, list[Asked]] = {}
    for item in everything:
        groups.setdefault(root(f"id:{item.intent_id}"), []).append(item)
    return {min(a.intent_id for a in group): group for group in groups.values()}


def check_split(project: Project, name: str) -> SplitReport:
    """What a saved split is worth today.

    Raises:
        NotFoundError: There is no such split.
    """
    split = read_split(project, name)
    listed = [trajectory_id for ids in split.parts.values() for trajectory_id in ids]
    by_id = {a.trajectory_id: a for a in _asked(project, listed)}
    group_of = {a.trajectory_id: key for key, group in group_by_intent(by_id.values()).items() for a in group}
    intents = {part: {group_of[i] for i in ids if i in group_of} for part, ids in split.parts.items()}
    homes = [key for keys in intents.values() for key in keys]
    return SplitReport(
        name=name,
        sizes={part: len(ids) for part, ids in split.parts.items()},
        n_intents={part: len(keys) for part, keys in intents.items()},
        deviations={
            part: round(len(ids) / len(listed) - split.ratios.get(part, 0.0), 6) if listed else 0.0
            for part, ids in split.parts.items()
        },
        shared_intents=_more_than_once(homes),
        repeated=_more_than_once(listed),
        missing=tuple(sorted(set(listed) - by_id.keys())),
    )


def _more_than_once(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(key for key, n in Counter(keys).items() if n > 1))


def _asked(project: Project, ids: Iterable[str]) -> list[Asked]:
    sql = (
        "select trajectory_id, intent_id, utterance from trajectories "
        "where trajectory_id in (select unnest(?::varchar[])) order by trajectory_id"
    )
    with Catalog.open(project) as catalog:
        return [Asked(**row) for row in catalog.rows(sql, [list(ids)])]
