"""What the intents cover of the taxonomy: counts along its dimensions, and what they never reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import combinations

from engine.intents.targets import Part, parts_of, targets_of
from engine.schema.base import Record
from engine.schema.intent import Intent
from engine.schema.taxonomy import Taxonomy
from engine.taxonomy.links import task_links

_SOME = 2.0
"""Expected number from which a part can be called thin."""


class PairCount(Record):
    """How many intents span two domains together."""

    a: str
    b: str
    n: int


class TripleCount(Record):
    """How many intents span three domains together."""

    a: str
    b: str
    c: str
    n: int


class Debt(Record):
    """A part of the taxonomy that has fewer intents than its weights promise."""

    kind: str
    """"task", "domain", "pair", "triple", "industry", "industry x domain" or "complexity"."""
    names: tuple[str, ...]
    n: int
    expected: float
    """What the weights promise for a pool of this size."""


class Holes(Record):
    """Entries of the taxonomy that no intent reached. Entries of weight or prior 0 are not missed."""

    personas: tuple[str, ...]
    industries: tuple[str, ...]
    domains: tuple[str, ...]
    tasks: tuple[str, ...]
    complexities: tuple[str, ...]
    domain_pairs: tuple[tuple[str, str], ...]
    domain_triples: tuple[tuple[str, str, str], ...]


class Coverage(Record):
    """Number of intents by each entry of each dimension.

    Every entry of the taxonomy is there, with 0 where nothing reached it, in the taxonomy's order; entries
    that intents name but the taxonomy no longer has come after them.
    """

    n_intents: int
    by_domain: Mapping[str, int]
    by_task: Mapping[str, int]
    by_complexity: Mapping[str, int]
    by_persona: Mapping[str, int]
    by_industry: Mapping[str, int]
    by_domain_pair: tuple[PairCount, ...]
    by_domain_triple: tuple[TripleCount, ...]
    n_task_pairs: int
    """Different pairs of tasks that some intent holds together."""
    n_possible_task_pairs: int
    """Pairs of tasks that can be drawn together."""
    thin: tuple[Debt, ...]
    """Parts with less than half of what they are due, where that is 2 intents or more; the thinnest first."""
    holes: Holes


def coverage(intents: Sequence[Intent], taxonomy: Taxonomy) -> Coverage:
    """What `intents` cover of `taxonomy`."""
    domain_ids = [d.domain_id for d in taxonomy.domains]
    cells = [i.cell for i in intents]
    pairs = Counter(pair for cell in cells for pair in combinations(sorted(cell.domain_ids), 2))
    known = [_pair(*pair) for pair in combinations(domain_ids, 2)]
    every_pair = dict.fromkeys([*known, *sorted(pairs)])
    triples = Counter(t for cell in cells for t in combinations(sorted(cell.domain_ids), 3))
    known_triples = list(combinations(sorted(domain_ids), 3))
    every_triple = dict.fromkeys([*known_triples, *sorted(triples)])
    by_domain = _counts(domain_ids, (d for c in cells for d in c.domain_ids))
    by_task = _counts((t.task_id for t in taxonomy.tasks), (t for c in cells for t in c.task_ids))
    by_complexity = _counts(
        (c.level.value for c in taxonomy.complexities), (c.complexity.value for c in cells)
    )
    by_persona = _counts((p.persona_id for p in taxonomy.personas), (c.persona_id for c in cells))
    by_industry = _counts((p.industry for p in taxonomy.personas), (i.persona.industry for i in intents))
    no_domains = {d.domain_id for d in taxonomy.domains if not d.weight}
    drawn_industries = {p.industry for p in taxonomy.personas if p.weight}
    holes = Holes(
        personas=_missed(by_persona, {p.persona_id for p in taxonomy.personas if not p.weight}),
        industries=_missed(by_industry, by_industry.keys() - drawn_industries),
        domains=_missed(by_domain, no_domains),
        tasks=_missed(
            by_task, {t.task_id for t in taxonomy.tasks if not t.weight or t.domain_id in no_domains}
        ),
        complexities=_missed(by_complexity, {c.level.value for c in taxonomy.complexities if not c.prior}),
        domain_pairs=tuple(p for p in known if not pairs[p] and no_domains.isdisjoint(p)),
        domain_triples=tuple(t for t in known_triples if not triples[t] and no_domains.isdisjoint(t)),
    )
    return Coverage(
        n_intents=len(intents),
        by_domain=by_domain,
        by_task=by_task,
        by_complexity=by_complexity,
        by_persona=by_persona,
        by_industry=by_industry,
        by_domain_pair=tuple(PairCount(a=a, b=b, n=pairs[a, b]) for a, b in every_pair),
        by_domain_triple=tuple(TripleCount(a=a, b=b, c=c, n=triples[a, b, c]) for a, b, c in every_triple),
        n_task_pairs=len({pair for cell in cells for pair in combinations(sorted(cell.task_ids), 2)}),
        n_possible_task_pairs=_possible_task_pairs(taxonomy, no_domains),
        thin=thin_parts(intents, taxonomy),
        holes=holes,
    )


def thin_parts(intents: Sequence[Intent], taxonomy: Taxonomy) -> tuple[Debt, ...]:
    """The parts with less than half of what they are due, the thinnest first; personas are left out."""
    counts = count_parts(intents)
    n_intents = len(intents)
    debts = [
        Debt(kind=part[0], names=part[1:], n=counts[part], expected=round(share * n_intents, 2))
        for part, share in targets_of(taxonomy).shares.items()
        if part[0] != "persona" and share * n_intents >= _SOME and counts[part] < share * n_intents / 2
    ]
    return tuple(sorted(debts, key=lambda d: (d.n / d.expected, -d.expected, d.kind, d.names)))


def count_parts(intents: Iterable[Intent]) -> Counter[Part]:
    """How many intents reach each part of the taxonomy."""
    return Counter(part for i in intents for part in parts_of(i.cell, i.persona.industry))


def _possible_task_pairs(taxonomy: Taxonomy, idle: AbstractSet[str]) -> int:
    """Pairs of tasks with a weight that no constraint keeps apart."""
    drawable = [t.task_id for t in taxonomy.tasks if t.weight > 0 and t.domain_id not in idle]
    conflicts = task_links(taxonomy).conflicts
    return sum(b not in conflicts[a] and a not in conflicts[b] for a, b in combinations(drawable, 2))


def _pair(a: str, b: str) -> tuple[str, str]:
    return (a, b) if a < b else (b, a)


def _counts(entries: Iterable[str], occurring: Iterable[str]) -> dict[str, int]:
    counted = Counter(occurring)
    known = dict.fromkeys(entries, 0)
    return {name: counted[name] for name in [*known, *sorted(n for n in counted if n not in known)]}


def _missed(counts: Mapping[str, int], idle: AbstractSet[str]) -> tuple[str, ...]:
    return tuple(name for name, n in counts.items() if not n and name not in idle)
