"""Doctor: what works on this machine, tried for real, and how to mend what does not."""

from __future__ import annotations

import streamlit as st

from engine.doctor import DoctorReport, Finding, examine
from engine.schema.sandbox import SandboxInfo
from studio import state
from studio.widgets import content
from studio.widgets.frame import page_head
from studio.widgets.plain import count, escaped, size, words

# A report is shown again for so long: an examination starts sandboxes and takes seconds. (A string here would
# be drawn on the page.)
_FRESH_S = 600


@st.cache_data(show_spinner="Trying what this machine can do", ttl=_FRESH_S, max_entries=2)
def _examined(root: str, settings: tuple[int, int]) -> DoctorReport:
    return examine(state.project().root)


def view() -> None:
    """The page."""
    page_head("Doctor", "What works on this machine, tried for real, and how to mend what does not.")
    project = state.project()
    about = project.paths.settings.stat()
    if st.button("Examine again", icon=":material/refresh:"):
        _examined.clear()
    report = _examined(str(project.root), (about.st_mtime_ns, about.st_size))
    _summary(report)
    st.subheader("Sandboxes")
    st.caption("A sandbox is used once every check has passed: each run tries them anew, from inside.")
    by_name = {finding.name: finding for finding in report.findings}
    for name, info in report.sandbox.items():
        _sandbox(name, info, by_name.pop(f"sandbox {name}"))
    st.subheader("Everything else")
    _others(list(by_name.values()))


def _summary(report: DoctorReport) -> None:
    broken = [finding for finding in report.findings if finding.needed and not finding.ok]
    if broken:
        names = ", ".join(finding.name for finding in broken)
        st.error(escaped(f"This project needs what does not work here: {names}. The mend stands below."))
    else:
        st.success("All that this project needs works.")


def _sandbox(name: str, info: SandboxInfo | None, finding: Finding) -> None:
    with st.container(border=True, key=f"sandbox-{name}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{name}**")
            if info is not None and info.proven:
                n = len(info.probe)
                st.badge(f"{n} of {n} checks proven", color="green", icon=":material/verified_user:")
            elif finding.needed:
                st.badge("does not work", color="red", icon=":material/error:")
            else:
                st.badge("not there, not needed", color="gray")
        if info is None:
            content.prose(finding.detail, f"mend-{name}")
            return
        content.quiet(_made_of(info), f"made-{name}")
        rows = [
            {
                "Check": words(c.name),
                "State": "proven" if c.proven else "NOT PROVEN",
                "What came back": c.detail,
            }
            for c in info.probe
        ]
        st.dataframe(
            rows,
            hide_index=True,
            height="content",
            column_config={
                "Check": st.column_config.TextColumn(width=210),
                "State": st.column_config.TextColumn(width=90),
                "What came back": st.column_config.TextColumn(width=620),
            },
            alt=f"Checks of the isolation probe on {name}",
        )


def _made_of(info: SandboxInfo) -> str:
    limits = info.limits
    parts = [
        f"version {info.version}",
        f"kernel {info.kernel}",
        f"workspace {size(limits.workspace_bytes)}",
        f"memory {size(limits.memory_bytes)}",
        f"{count(limits.n_processes)} processes",
        f"output {size(limits.output_bytes)} a stream",
    ]
    if info.container is not None:
        parts.insert(1, f"image {info.container.image}, runtime {info.container.runtime}")
    return " · ".join(parts)


def _others(findings: list[Finding]) -> None:
    rows = [
        {"What": finding.name, "State": _standing(finding), "Found, or how to mend it": finding.detail}
        for finding in sorted(findings, key=lambda f: (f.ok, not f.needed))
    ]
    st.dataframe(
        rows,
        hide_index=True,
        height="content",
        column_config={
            "What": st.column_config.TextColumn(width=240),
            "State": st.column_config.TextColumn(width=110),
            "Found, or how to mend it": st.column_config.TextColumn(width=570),
        },
        alt="Packages, weights, model endpoint and disk",
    )


def _standing(finding: Finding) -> str:
    if finding.ok:
        return "works"
    return "MISSING" if finding.needed else "not needed"


view()
