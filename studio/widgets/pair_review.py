"""The pairs that dedup found, one after another: filter, judge, go on; the list below them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine.intents.dedup import METHODS
from engine.intents.review import (
    BY_HAND,
    DROPPED,
    DROPPED_BY_HAND,
    KEPT_BY_HAND,
    Pair,
    overrule_dedup,
    take_back,
)
from engine.store.project import Project
from studio import state
from studio.widgets import errors
from studio.widgets.pair_card import pair_card
from studio.widgets.plain import count, escaped, plural, visible

_ANY = "any"
_PAGE = 50
_LAST = "pair_said"
"""Where the session keeps the pair on which it said something last."""


def pair_review(project: Project, found: Sequence[Pair]) -> None:
    """The filter, the chosen pair and the list."""
    wanted = _filtered(found)
    with st.container(horizontal=True, vertical_alignment="center", key="pair-counts"):
        n_open = sum(p.verdict == DROPPED for p in wanted)
        st.caption(f"{plural(len(wanted), 'pair')} · {count(n_open)} not judged yet", width="content")
        st.space("stretch")
        _last_word(project, found)
    if not wanted:
        st.info("No pair fits. Take a condition out.")
        return
    place = _place(wanted)
    with st.container(border=True):
        _steer(project, wanted, place)
        pair_card(project, wanted[place])
    _list(wanted, place)


def _filtered(found: Sequence[Pair]) -> list[Pair]:
    columns = st.columns([4, 1, 1.2])
    text = columns[0].text_input(
        "Text in either utterance, or an id", type="search", key="pair_text", bind="query-params"
    )
    method = columns[1].selectbox("Method", [_ANY, *METHODS, BY_HAND], key="method", bind="query-params")
    verdict = columns[2].selectbox(
        "Verdict", [_ANY, DROPPED, KEPT_BY_HAND, DROPPED_BY_HAND], key="verdict", bind="query-params"
    )
    sought = (text or "").casefold().strip()
    return [
        p
        for p in found
        if method in (_ANY, p.method) and verdict in (_ANY, p.verdict) and (not sought or _holds(p, sought))
    ]


def _holds(pair: Pair, sought: str) -> bool:
    texts = (pair.utterance, pair.other or "", pair.intent_id, pair.duplicate_of or "")
    return any(sought in text.casefold() for text in texts)


def _place(wanted: Sequence[Pair]) -> int:
    """Where the pair of the address stands; the first that nobody has judged where there is none."""
    chosen = state.address_text("pair")
    named = next((n for n, p in enumerate(wanted) if p.intent_id == chosen), None)
    return named if named is not None else _open_from(wanted, -1, 0)


def _open_from(wanted: Sequence[Pair], place: int, otherwise: int) -> int:
    """The first pair after `place`, from the start again at the end, that nobody has judged."""
    order = [*range(place + 1, len(wanted)), *range(place)]
    return next((n for n in order if wanted[n].verdict == DROPPED), otherwise)


def _go(wanted: Sequence[Pair], place: int) -> None:
    state.set_address(pair=wanted[place].intent_id)


def _steer(project: Project, wanted: Sequence[Pair], place: int) -> None:
    """The buttons: K keeps, D drops, T takes back, Left and Right go on."""
    pair = wanted[place]
    with st.container(horizontal=True, vertical_alignment="center", key="pair-steering"):
        for label, keep, key in (("Keep both", True, "K"), ("Drop the repeat", False, "D")):
            st.button(
                label,
                shortcut=key,
                type="primary" if keep else "secondary",
                on_click=_decide,
                args=(project, wanted, place, keep),
            )
        if pair.verdict != DROPPED:
            st.button("Take back", shortcut="T", on_click=_take_back, args=(project, pair.intent_id))
        st.text_input(
            "Note",
            value=pair.note or "",
            key=f"note-{pair.intent_id}",
            placeholder="Note (optional): why",
            label_visibility="collapsed",
            max_chars=2_000,
        )
        st.caption(f"{count(place + 1)} of {count(len(wanted))}", width="content")
        for label, key, step in (("Previous", "Left", -1), ("Next", "Right", 1)):
            beside = place + step
            st.button(
                label,
                shortcut=key,
                type="tertiary",
                disabled=not 0 <= beside < len(wanted),
                on_click=_go,
                args=(wanted, beside % len(wanted)),
            )


def _decide(project: Project, wanted: Sequence[Pair], place: int, keep: bool) -> None:
    """Writes the verdict and goes on to the next pair that nobody has judged."""
    pair = wanted[place]
    note = str(st.session_state.get(f"note-{pair.intent_id}") or "").strip()
    with errors.shown():
        overrule_dedup(project, pair.intent_id, keep=keep, note=note)
        st.session_state[_LAST] = pair.intent_id
        _go(wanted, _open_from(wanted, place, min(place + 1, len(wanted) - 1)))


def _take_back(project: Project, intent_id: str) -> None:
    with errors.shown():
        take_back(project, intent_id)
        st.session_state.pop(_LAST, None)
        state.set_address(pair=intent_id)


def _last_word(project: Project, found: Sequence[Pair]) -> None:
    """What was said last in this session, to be taken back at once."""
    pair = next((p for p in found if p.intent_id == st.session_state.get(_LAST)), None)
    if pair is None or pair.verdict == DROPPED or pair.intent_id == state.address_text("pair"):
        return
    st.caption(escaped(f"{pair.intent_id} {pair.verdict}"), width="content")
    st.button(
        "Undo",
        key="pair-undo",
        shortcut="U",
        type="tertiary",
        on_click=_take_back,
        args=(project, pair.intent_id),
    )


def _list(wanted: Sequence[Pair], place: int) -> None:
    """The page of the list that holds the chosen pair; a chosen row is the chosen pair."""
    page, row = divmod(place, _PAGE)
    key, page_key = f"pairs-{page}", f"pair-page-{page}"
    rows = wanted[page * _PAGE : (page + 1) * _PAGE]

    def turned() -> None:
        _go(wanted, (int(st.session_state[page_key]) - 1) * _PAGE)

    def chosen() -> None:
        if picked := st.session_state[key].selection.rows:
            _go(rows, picked[0])

    if len(wanted) > _PAGE:
        # A key for each page, as the page follows the chosen pair: a widget that stays keeps its own value.
        st.pagination(-(-len(wanted) // _PAGE), default=page + 1, key=page_key, on_change=turned)
    st.session_state[key] = {"selection": {"rows": [row], "columns": [], "cells": []}}
    st.dataframe(
        [
            {
                "Verdict": p.verdict,
                "Method": p.method,
                "Similarity": p.similarity,
                "Repeat": visible(p.utterance),
                "Repeats": visible(p.other or ""),
                "By": visible(p.author or ""),
                "Judged (UTC)": p.decided_at,
                "Note": visible(p.note or ""),
            }
            for p in rows
        ],
        key=key,
        hide_index=True,
        height="content" if len(rows) < 9 else 340,
        on_select=chosen,
        selection_mode="single-row",
        placeholder="",
        column_config={
            "Verdict": st.column_config.TextColumn(width=110),
            "Method": st.column_config.TextColumn(width=80),
            "Similarity": st.column_config.NumberColumn(format="%.3f", width=80),
            "Repeat": st.column_config.TextColumn(width=215),
            "Repeats": st.column_config.TextColumn(width=215),
            "By": st.column_config.TextColumn(width=80),
            "Judged (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", width=125),
        },
        alt="Pairs of intents of which one repeats the other",
    )
