"""A project folder: opened, made, and its parts by name."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

import tomli_w
from pydantic import ValidationError

from engine.errors import InputError, one_line
from engine.paths import ProjectPaths, data_dir
from engine.schema.project import ProjectSettings
from engine.store.files import first_problem, read_bytes, write_bytes, write_text


@dataclass(frozen=True, slots=True)
class Project:
    """An existing project: its settings and its paths."""

    paths: ProjectPaths
    settings: ProjectSettings

    @property
    def root(self) -> Path:
        """The project folder."""
        return self.paths.root

    @classmethod
    def open(cls, root: Path) -> Project:
        """The project in `root`.

        Raises:
            InputError: The folder is no project, or its project.toml is wrong.
        """
        paths = ProjectPaths(root)
        if not paths.settings.is_file():
            raise InputError(
                f"{root} is not a project (no project.toml): make one with 'ise-studio new {root}', "
                "or name one with --project DIR"
            )
        try:
            raw = tomllib.loads(read_bytes(paths.settings).decode("utf-8"))
            settings = ProjectSettings.model_validate(raw)
        except ValidationError as error:
            raise InputError(f"{paths.settings}: {first_problem(error)}") from error
        except (ValueError, RecursionError) as error:  # numbers of 5,000 digits, 5,000 open brackets
            raise InputError(f"{paths.settings} is not valid TOML: {one_line(error)}") from error
        return cls(paths, settings)

    @classmethod
    def create(cls, root: Path, *, seed: int = 1) -> Project:
        """A new project in `root` with the starter taxonomy.

        Raises:
            InputError: `root` is a project already, a folder that holds something else, or no UTF-8 name;
                or the seed is out of range.
            StudioError: The folder cannot be written; what was made of it is removed.
        """
        paths = ProjectPaths(root)
        where = root.resolve()
        if any("\ud800" <= c <= "\udfff" for c in str(where)):
            raise InputError(f"the path {str(where)!a} is not UTF-8: choose another folder")
        if paths.settings.exists():
            raise InputError(f"{root} is a project already: open it with --project {root}")
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise InputError(f"{root} is not an empty folder: choose another folder for the new project")
        try:
            settings = ProjectSettings(name=where.name[:80] or "project", seed=seed)
        except ValidationError as error:
            raise InputError(f"cannot make {root}: {first_problem(error)}") from error
        was_there = root.exists()
        try:
            _fill(paths, settings)
        except BaseException:
            shutil.rmtree(paths.taxonomy if was_there else root, ignore_errors=True)
            raise
        return cls(paths, settings)


def _fill(paths: ProjectPaths, settings: ProjectSettings) -> None:
    """Writes the starter taxonomy and, last, project.toml: with it the folder is a project."""
    for source in sorted((data_dir() / "taxonomy").glob("*.yaml")):
        write_bytes(paths.taxonomy / source.name, read_bytes(source))
    write_text(paths.settings, tomli_w.dumps(settings.model_dump(exclude_none=True)))
