"""What dedup found: the figures, a run of it with other thresholds, and the pairs for a person to judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from engine.intents.dedup import DEFAULTS, METHODS, Thresholds
from engine.intents.review import DROPPED, DROPPED_BY_HAND, KEPT_BY_HAND, Pair
from engine.schema.intent import DedupReport, Overrule
from engine.store.intents import dedup_has_run, read_dedup_report, read_overrules
from engine.store.project import Project
from studio import cached
from studio.jobs import Step
from studio.widgets.empty import empty_state
from studio.widgets.frame import metric_row
from studio.widgets.job_panel import begin
from studio.widgets.pair_review import pair_review
from studio.widgets.plain import count, moment, plural

_LEAST = 0.05
"""Below it everything repeats everything."""


def repeats_panel(project: Project, *, busy: bool) -> None:
    """The panel."""
    report = read_dedup_report(project)
    if not dedup_has_run(project):
        empty_state(
            "Dedup has not run yet",
            "It drops intents that say again what an earlier one says. Run it here, then go through what it "
            "found: nothing is deleted, and each pair can be kept.",
        )
        with st.container(border=True):
            _run_form(project, report, busy=busy)
        if not cached.pairs(project):
            return
    found = cached.pairs(project)
    _figures(project, found, report)
    if dedup_has_run(project):
        with st.container(horizontal=True, vertical_alignment="center"):
            _age(project, found, report)
            with st.popover("Run dedup again", width="content"):
                _run_form(project, report, busy=busy)
    if found:
        pair_review(project, found)
    else:
        empty_state(
            "No repeats found",
            "Every intent says something of its own at these thresholds. Lower ones find more; new intents "
            "are compared when dedup is run again.",
        )


def _figures(project: Project, found: Sequence[Pair], report: DedupReport | None) -> None:
    n, n_kept = len(cached.intents(project)), len(cached.kept_intents(project))
    verdicts = Counter(p.verdict for p in found)
    methods = Counter(p.method for p in found if p.verdict == DROPPED)
    by_method = " · ".join(f"{count(methods[m])} {m}" for m in METHODS)
    by_hand = f"{count(verdicts[KEPT_BY_HAND])} kept · {count(verdicts[DROPPED_BY_HAND])} dropped"
    metric_row(
        [
            ("Intents kept", count(n_kept), f"of {count(n)}"),
            ("Dropped by dedup", count(verdicts[DROPPED]), by_method),
            ("Overruled by hand", count(verdicts[KEPT_BY_HAND] + verdicts[DROPPED_BY_HAND]), by_hand),
            _vendi(report),
        ]
    )


def _vendi(report: DedupReport | None) -> tuple[str, str, str]:
    """What dedup did to the Vendi Score, as it found it when it ran."""
    if report is None or report.vendi_before is None or report.vendi_after is None:
        return "Vendi after dedup", "–", "not embedded" if report else "not known"
    return "Vendi after dedup", f"{report.vendi_after:.2f}", f"{report.vendi_before:.2f} before"


def _age(project: Project, found: Sequence[Pair], report: DedupReport | None) -> None:
    """When dedup ran and how, and whether something came since that it has not seen."""
    if report is None:
        return
    meaning = "without vectors"
    if report.semantic:
        meaning = f"cosine {report.cosine:g} with words {report.words:g}"
    said = f"Dedup ran {moment(report.created_at)}: lexical {report.lexical:g}, {meaning}."
    n_new = len(cached.intents(project)) - report.n_intents
    if n_new > 0:
        said += f" **{plural(n_new, 'intent has', 'intents have')} come since: run it again.**"
    elif _waits(found, [o for o in read_overrules(project) if o.created_at > report.created_at]):
        said += " A new run judges anew what hangs on intents that were dropped by hand or taken back since."
    st.caption(said)


def _waits(found: Sequence[Pair], overrules: Sequence[Overrule]) -> bool:
    """True when something repeats what was dropped by hand, or dedup has no word on what was taken back."""
    repeated = {p.duplicate_of for p in found if p.verdict == DROPPED}
    known = {p.intent_id for p in found}
    return any(
        (o.keep is False and o.intent_id in repeated) or (o.keep is None and o.intent_id not in known)
        for o in overrules
    )


def _run_form(project: Project, report: DedupReport | None, *, busy: bool) -> None:
    before = Thresholds(report.lexical, report.cosine, report.words) if report else DEFAULTS
    with st.form("dedup", border=False):
        columns = st.columns(3)
        lexical = columns[0].number_input(
            "Lexical",
            _LEAST,
            1.0,
            before.lexical,
            0.05,
            help="Shared runs of three words, as a share of all, from which two intents are one: "
            "nearly the same words.",
        )
        cosine = columns[1].number_input(
            "Cosine",
            0.0,
            1.0,
            before.cosine,
            0.01,
            help="Cosine of the vectors from which two may mean the same.",
        )
        words = columns[2].number_input(
            "Words",
            0.0,
            1.0,
            before.words,
            0.05,
            help="Shared words, as a share of all, that must come with the cosine: a cosine alone cannot "
            "tell a paraphrase from another task in the same setting.",
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            asked = st.form_submit_button("Run dedup", type="primary", disabled=busy)
            without = st.toggle(
                "Without vectors",
                value=not report.semantic if report else False,
                help="Compares words alone. With vectors, what has none yet is embedded first.",
            )
    if asked:
        thresholds = Thresholds(lexical=float(lexical), cosine=float(cosine), words=float(words))
        step = Step(name="dedup", thresholds=thresholds, semantic=not without)
        begin(project, [step] if without else [Step(name="embed"), step])
