"""What the edits of the taxonomy do, before they are saved: sizes, shares of the draw, intents left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from engine.intents.effect import LeftBehind, ShareChange, left_behind, share_changes
from engine.schema.taxonomy import Taxonomy
from engine.store.project import Project
from engine.taxonomy import TaxonomyStats, taxonomy_stats
from studio import cached
from studio.widgets.frame import metric_row
from studio.widgets.plain import big_count, count, escaped, plural

_ROWS = 12
_NAMED = 5


class Sides(NamedTuple):
    """The taxonomy as saved and as edited; the same one while the edits are wrong or none."""

    saved: Taxonomy
    edited: Taxonomy


def figures(sides: Sides) -> None:
    """Sizes and combinations; where the edits change one, what it was."""
    before, after = taxonomy_stats(sides.saved), taxonomy_stats(sides.edited)
    rows = [
        ("Personas", after.personas, before.personas, _spread(after)),
        ("Domains", after.domains, before.domains, "2 or 3 an intent"),
        ("Tasks", after.tasks, before.tasks, "3 to 6 an intent"),
        ("Complexities", after.complexities, before.complexities, plural(after.levels, "experience level")),
        ("Combinations", after.n_combinations, before.n_combinations, "cells that can be drawn"),
    ]
    metric_row(
        [(name, big_count(now), change_text(was, now) or note) for name, now, was, note in rows],
        noticed=[name for name, now, was, _ in rows if now != was],
    )


def _spread(stats: TaxonomyStats) -> str:
    return plural(stats.industries, "industry", "industries")


def change_text(before: int, after: int) -> str:
    """What a figure was and by how much it moved; "" where it did not."""
    if before == after:
        return ""
    if after < 10_000_000 and before < 10_000_000:
        return f"{after - before:+,} · was {count(before)}"
    change = f"{(after - before) / before:+.1%}" if before else f"+{big_count(after)}"
    return f"{change} · was {big_count(before)}"


def effect_panel(project: Project, sides: Sides) -> None:
    """The parts whose share of the draw the edits move most, and the kept intents that they leave behind."""
    changes = share_changes(cached.targets(sides.saved), cached.targets(sides.edited))
    behind = left_behind(cached.kept_intents(project), sides.edited)
    with st.container(border=True, gap="small"):
        st.markdown("**Effect on coverage**")
        _shares(changes)
        _behind(behind)


def _shares(changes: Sequence[ShareChange]) -> None:
    if not changes:
        st.caption("No share of the draw changes.")
        return
    st.caption(
        f"How often an intent is expected to hold a part: {plural(len(changes), 'share')} "
        f"{'moves' if len(changes) == 1 else 'move'}"
        + (f"; the {_ROWS} that move most." if len(changes) > _ROWS else ".")
    )
    st.dataframe(
        [
            {
                "What": c.part[0],
                "Which": " + ".join(c.part[1:]),
                "Saved": 100 * c.before,
                "Edited": 100 * c.after,
                "Change": 100 * (c.after - c.before),
            }
            for c in changes[:_ROWS]
        ],
        hide_index=True,
        height="content" if len(changes) < 6 else 248,
        column_config={
            "Which": st.column_config.TextColumn(width="large"),
            "Saved": st.column_config.NumberColumn(format="%.2f %%"),
            "Edited": st.column_config.NumberColumn(format="%.2f %%"),
            "Change": st.column_config.NumberColumn("Change (points)", format="%+.2f"),
        },
        alt="Shares of the draw before and after the edits",
    )


def _behind(found: LeftBehind) -> None:
    if not found.n_intents:
        st.caption("Every kept intent names entries that the edited taxonomy has.")
        return
    named = ", ".join(
        f"{part[0]} {escaped(part[1])} ({count(n)})" for part, n in found.entries.most_common(_NAMED)
    )
    more = len(found.entries) - _NAMED
    st.warning(
        f"{plural(found.n_intents, 'kept intent names', 'kept intents name')} entries that the edited "
        f"taxonomy does not have: {named}" + (f" and {count(more)} more." if more > 0 else ".")
    )
