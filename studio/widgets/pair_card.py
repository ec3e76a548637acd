"""One pair that dedup found: both utterances side by side with their cells, what differs marked."""

from __future__ import annotations

import streamlit as st

from engine.intents.review import DROPPED, KEPT_BY_HAND, Pair
from engine.schema.intent import Intent
from engine.store.project import Project
from studio import cached
from studio.widgets import content
from studio.widgets.marked import Line, marked_lines
from studio.widgets.plain import escaped, moment, visible
from studio.widgets.word_diff import Part, differing, listed

_MEANS = {
    "exact": "the same words, whatever the case and punctuation",
    "lexical": "nearly the same words: share of runs of three words",
    "semantic": "the same in meaning: cosine of the vectors",
    "hand": "dropped by hand; dedup had found nothing",
}


def pair_card(project: Project, pair: Pair) -> None:
    """The verdict, then the earlier intent on the left and the one that repeats it on the right."""
    wanted = {pair.intent_id, pair.duplicate_of}
    known = {i.intent_id: i for i in cached.intents(project) if i.intent_id in wanted}
    repeat, earlier = known[pair.intent_id], known.get(pair.duplicate_of or "")
    _verdict(pair)
    left, right = st.columns(2, gap="medium")
    before, after = differing(visible(earlier.utterance if earlier else ""), visible(repeat.utterance))
    with left:
        _head("Earlier", pair.duplicate_of)
        if earlier:
            marked_lines([Line(before), *_facts(earlier, repeat)], "pair-earlier")
            if all(i.intent_id != earlier.intent_id for i in cached.kept_intents(project)):
                st.caption("It is not kept any more: a new run of dedup judges the repeat anew.")
        else:
            st.caption(
                "It is not in the project any more."
                if pair.duplicate_of
                else "Dedup found nothing that this intent repeats."
            )
    with right:
        _head("Repeat", pair.intent_id)
        text = after if earlier else [Part(repeat.utterance)]
        marked_lines([Line(text), *_facts(repeat, earlier or repeat)], "pair-repeat")


def _verdict(pair: Pair) -> None:
    """Method, similarity and what became of the repeat; where a person said so, who and when."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if pair.verdict == DROPPED:
            st.badge("dropped by dedup", color="gray")
        else:
            st.badge(pair.verdict, color="green" if pair.verdict == KEPT_BY_HAND else "red")
        similarity = "" if pair.similarity is None else f" {pair.similarity:.3f}"
        st.badge(escaped(f"{pair.method}{similarity}"), color="blue")
        if pair.author and pair.decided_at:
            note = f": {pair.note}" if pair.note else ""
            content.quiet(f"{pair.author}, {moment(pair.decided_at)}{note}", "pair-said")
        else:
            st.caption(_MEANS.get(pair.method, ""), width="content")


def _head(title: str, intent_id: str | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{title}**", width="content")
        if intent_id:
            content.quiet(intent_id, f"pair-id-{title.lower()}")


def _facts(intent: Intent, other: Intent) -> list[Line]:
    """The cell of an intent, what the other one's has not marked."""

    def persona(of: Intent) -> list[str]:
        return [of.persona.name, of.persona.role, of.persona.industry]

    cell, beside = intent.cell, other.cell
    return [
        Line(listed(persona(intent), persona(other)), "Persona"),
        Line(listed(cell.domain_ids, beside.domain_ids), "Domains"),
        Line(listed(cell.task_ids, beside.task_ids, " → "), "Tasks"),
        Line(listed([cell.complexity.value], [beside.complexity.value]), "Complexity"),
    ]
