"""A project folder: opened, made, and its parts by name."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

import tomli_w
from pydantic import ValidationError

from engine.errors import InputError
from engine.paths import ProjectPaths, data_dir
from engine.schema.project import ProjectSettings
from engine.store.files import first_problem, read_bytes, write_text, writing


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
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{paths.settings} is not valid TOML: {error}") from error
        except ValidationError as error:
            raise InputError(f"{paths.settings}: {first_problem(error)}") from error
        return cls(paths, settings)

    @classmethod
    def create(cls, root: Path, *, seed: int = 1) -> Project:
        """A new project in `root` with the starter taxonomy.

        Raises:
            InputError: `root` is a project already, or a folder that holds something else.
        """
        if (root / "project.toml").exists():
            raise InputError(f"{root} is a project already: open it with --project {root}")
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise InputError(f"{root} is not an empty folder: choose another folder for the new project")
        paths = ProjectPaths(root)
        settings = ProjectSettings(name=root.resolve().name[:80] or "project", seed=seed)
        with writing(root):
            root.mkdir(parents=True, exist_ok=True)
            shutil.copytree(data_dir() / "taxonomy", paths.taxonomy, dirs_exist_ok=True)
        write_text(paths.settings, tomli_w.dumps(settings.model_dump(exclude_none=True)))
        return cls(paths, settings)
