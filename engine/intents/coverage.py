"""What the intents cover of the taxonomy: counts along its dimensions, and what they never reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import combinations

from engine.schema.base import Record
from engine.schema.intent import Intent
from engine.schema.taxonomy import Taxonomy


class PairCount(Record):
    """How many intents span two domains together."""

    a: str
    b: str
    n: int


class Holes(Record):
    """Entries of the taxonomy that no intent reached. Entries of weight or prior 0 are not missed."""

    personas: tuple[str, ...]
    industries: tuple[str, ...]
    domains: tuple[str, ...]
    tasks: tuple[str, ...]
    complexities: tuple[str, ...]
    domain_pairs: tuple[tuple[str, str], ...]


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
    holes: Holes


def coverage(intents: Sequence[Intent], taxonomy: Taxonomy) -> Coverage:
    """What `intents` cover of `taxonomy`."""
    domain_ids = [d.domain_id for d in taxonomy.domains]
    cells = [i.cell for i in intents]
    pairs = Counter(pair for cell in cells for pair in combinations(sorted(cell.domain_ids), 2))
    known = [_pair(*pair) for pair in combinations(domain_ids, 2)]
    every_pair = dict.fromkeys([*known, *sorted(pairs)])
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
    )
    return Coverage(
        n_intents=len(intents),
        by_domain=by_domain,
        by_task=by_task,
        by_complexity=by_complexity,
        by_persona=by_persona,
        by_industry=by_industry,
        by_domain_pair=tuple(PairCount(a=a, b=b, n=pairs[a, b]) for a, b in every_pair),
        holes=holes,
    )


def _pair(a: str, b: str) -> tuple[str, str]:
    return (a, b) if a < b else (b, a)


def _counts(entries: Iterable[str], occurring: Iterable[str]) -> dict[str, int]:
    counted = Counter(occurring)
    known = dict.fromkeys(entries, 0)
    return {name: counted[name] for name in [*known, *sorted(n for n in counted if n not in known)]}


def _missed(counts: Mapping[str, int], idle: AbstractSet[str]) -> tuple[str, ...]:
    return tuple(name for name, n in counts.items() if not n and name not in idle)
