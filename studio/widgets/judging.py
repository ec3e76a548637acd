"""What the checks said of one turn, beside its texts: verdicts, claims, and each flag with its buttons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import streamlit as st

from engine.catalog.judged import Judged, flags_of, sent_attempt
from engine.schema.checks import CHECKS, Meter
from engine.schema.flags import Decision, FlagKey, SaidBy
from engine.schema.trajectory import Attempt, Claim, ClaimStanding, Trajectory, Turn, Verdict
from engine.store.flags import latest_decisions, read_flag_decisions
from engine.store.project import Project
from studio.widgets import content
from studio.widgets.flag_review import decision_row
from studio.widgets.plain import plural, words

_COLORS: Mapping[ClaimStanding, Literal["gray", "green", "blue", "red"]] = {
    ClaimStanding.GIVEN: "gray",
    ClaimStanding.EVIDENCED: "green",
    ClaimStanding.INTRODUCED: "blue",
    ClaimStanding.CONTRADICTED: "red",
}


class Judging:
    """The verdicts of one trajectory and what curators said of its flags."""

    def __init__(self, project: Project, trajectory: Trajectory) -> None:
        self._project = project
        self._trajectory = trajectory
        self._flags: Sequence[Judged] = flags_of(trajectory)
        self._decisions = latest_decisions(read_flag_decisions(project))

    def utterance(self, turn: Turn) -> None:
        """Below an utterance: how it passed the role lock, what it claims, and every attempt."""
        attempts = turn.utterance.attempts
        sent = sent_attempt(turn.utterance)
        with st.container(key=f"judged-user-{turn.index}", gap="xsmall"):
            _badges(attempts, sent)
            self._decide(turn.index, SaidBy.USER)
            if sent is not None and attempts[sent].claims:
                _claims(attempts[sent].claims, turn.index)
            if attempts:
                _attempts(attempts, sent)

    def answer(self, turn: Turn) -> None:
        """Below an answer: what it says of its own success, where that is not so."""
        if turn.verdicts:
            self._verdicts(turn.verdicts, turn.index, SaidBy.AGENT)

    def ending(self) -> None:
        """Below the outcome: whether it is a false completion."""
        outcome = self._trajectory.outcome
        if outcome is None:
            return
        n_turns = len(self._trajectory.turns)
        if outcome.verdicts:
            self._verdicts(outcome.verdicts, n_turns, SaidBy.ENDING)
        if outcome.attempts:
            _attempts(outcome.attempts, None)

    def _verdicts(self, verdicts: Sequence[Verdict], turn: int, said_by: SaidBy) -> None:
        with st.container(key=f"judged-{said_by.value}-{turn}", gap="xsmall"):
            if all(v.passed for v in verdicts):
                st.badge("borne out by the ledger", color="green")
            self._decide(turn, said_by)

    def _decide(self, turn: int, said_by: SaidBy) -> None:
        """Every flag on this text: what was found, and the curator's word on it."""
        for flag in self._flags:
            if (flag.turn, flag.said_by) != (turn, said_by):
                continue
            check = flag.verdict.check
            key = FlagKey(self._trajectory.trajectory_id, turn, said_by, check)
            said = self._decisions.get(key)
            with st.container(border=True, gap="xsmall", key=f"flag-{said_by.value}-{turn}-{check}"):
                with st.container(horizontal=True, vertical_alignment="center"):
                    st.badge(words(check) if check in CHECKS else "unknown check", color="red")
                    content.quiet(flag.verdict.detail, f"flag-detail-{said_by.value}-{turn}-{check}")
                decision_row(
                    self._project,
                    key,
                    said.decision if said else Decision.OPEN,
                    note=said.note if said else "",
                )


def _badges(attempts: Sequence[Attempt], sent: int | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if not attempts:
            st.badge("role lock: not checked", color="gray")
        elif sent is not None and not attempts[sent].passed:
            st.badge(f"sent with {plural(_n_failed(attempts[sent]), 'flag')}", color="red")
        elif len(attempts) == 1:
            st.badge("role lock: passed", color="green")
        else:
            st.badge(f"role lock: passed at attempt {len(attempts)}", color="orange")


def _n_failed(attempt: Attempt) -> int:
    return sum(not v.passed for v in attempt.verdicts)


def _claims(claims: Sequence[Claim], turn: int) -> None:
    """Each claim with its standing; what is contradicted first."""
    order = list(ClaimStanding)[::-1]
    ordered = sorted(claims, key=lambda c: order.index(c.standing))
    n_wrong = sum(c.standing is ClaimStanding.CONTRADICTED for c in claims)
    label = plural(len(claims), "claim") + (f" · {n_wrong} contradicted" if n_wrong else "")
    with st.expander(f"What it says of the workspace · {label}", type="compact"):
        for number, claim in enumerate(ordered):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.badge(claim.standing.value, color=_COLORS[claim.standing])
                content.strong(claim.text, f"claim-{turn}-{number}")
                content.quiet(f"{words(claim.kind)} · {claim.source}", f"claim-source-{turn}-{number}")


def _attempts(attempts: Sequence[Attempt], sent: int | None) -> None:
    with st.expander(f"Verdicts · {plural(len(attempts), 'attempt')}", type="compact"):
        for number, attempt in enumerate(attempts):
            st.caption(f"Attempt {number + 1}{', as it was sent' if number == sent else ', not sent'}")
            if number != sent:
                content.block(attempt.text)
            content.block("\n".join(_verdict_line(verdict) for verdict in attempt.verdicts))


def _verdict_line(verdict: Verdict) -> str:
    about = CHECKS.get(verdict.check)
    word = "passed" if verdict.passed else "REFUSED"
    meter = words(about.meter) if about and about.meter is not Meter.FORM else ""
    return f"{word:<8} {verdict.check:<17} {meter:<20} {verdict.detail}".rstrip()
