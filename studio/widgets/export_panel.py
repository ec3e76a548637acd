"""Writing a split or a selection for training, and taking what was written home."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from engine.curate.export import FORMATS, MANIFEST, export
from engine.curate.manifest import Manifest
from engine.store.curation import list_selections, list_splits
from engine.store.files import read_bytes, read_record
from engine.store.project import Project
from studio.widgets import content, errors
from studio.widgets.plain import count, escaped, moment, plural, size

_ZIP_BYTES = 500 * 2**20
"""A larger export is not packed in memory: it lies in the project's folder."""


def export_panel(project: Project) -> None:
    """The form of a new export, and the exports that are there."""
    with st.container(border=True):
        st.subheader("3 · Write", anchor=False)
        sources = [("split", s.name) for s in list_splits(project)]
        sources += [("selection", s.name) for s in list_selections(project)]
        if not sources:
            st.caption("Save a selection first.")
            return
        columns = st.columns([3, 2, 2], vertical_alignment="bottom")
        source = columns[0].selectbox("What", sources, format_func=" ".join, key="export_what")
        format_ = columns[1].selectbox("Format", sorted(FORMATS), key="export_format")
        with errors.shown():
            if columns[2].button("Write the export", type="primary", width="stretch"):
                _write(project, source, format_)
        _list(project)


def _write(project: Project, source: tuple[str, str], format_: str) -> None:
    kind, name = source
    out = project.paths.exports / f"{name}-{format_}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    with st.spinner("Writing"):
        report = export(
            project,
            out,
            split=name if kind == "split" else None,
            selection=name if kind == "selection" else None,
            format=format_,
        )
    st.toast(f"Wrote {plural(report.n_trajectories, 'trajectory', 'trajectories')}.")


def _list(project: Project) -> None:
    """The exports that are there, newest first, each with its files."""
    folder = project.paths.exports
    found = [p.parent for p in folder.glob(f"*/{MANIFEST}")] if folder.is_dir() else []
    for number, out in enumerate(sorted(found, key=lambda p: p.stat().st_mtime, reverse=True)[:10]):
        with errors.shown():
            _export(out, read_record(out / MANIFEST, Manifest), number)


def _export(out: Path, manifest: Manifest, number: int) -> None:
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center"):
            content.strong(out.name, f"export-{number}")
            st.badge(escaped(manifest.format), color="blue")
            trajectories = plural(manifest.n_trajectories, "trajectory", "trajectories")
            st.caption(f"{trajectories} · {moment(manifest.created_at)}", width="content")
            st.space("stretch")
            _download(out, number)
        content.quiet(
            " · ".join(f"{f.file}: {count(f.n_records)}, {size(f.size_bytes)}" for f in manifest.files),
            f"files-{number}",
        )
        content.quiet(f"in {out.parent.name}/{out.name} of the project's folder", f"where-{number}")


def _download(out: Path, number: int) -> None:
    if sum(p.stat().st_size for p in out.iterdir() if p.is_file()) > _ZIP_BYTES:
        st.caption("Too large to pack: take it from its folder.", width="content")
        return
    st.download_button(
        "Download as zip",
        _packer(out),
        f"{out.name}.zip",
        "application/zip",
        key=f"download-{number}",
        on_click="ignore",
    )


def _packer(out: Path) -> Callable[[], bytes]:
    """What packs the folder when the download is asked for, and not before."""

    def packed() -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(p for p in out.rglob("*") if p.is_file()):
                archive.writestr(f"{out.name}/{path.relative_to(out)}", read_bytes(path))
        return buffer.getvalue()

    return packed
