"""Where things lie: the project folder's layout and the packaged data. No path is spelled elsewhere."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InputError


@dataclass(frozen=True, slots=True)
class ProjectPaths:
    """The layout of a project folder.

    ```
    PROJECT/
      project.toml
      taxonomy/personas.yaml domains.yaml tasks.yaml complexities.yaml   the current version
      taxonomy/versions/v0001/*.yaml                                     every save
      intents/BATCH.jsonl  intents/BATCH.json  intents/decisions.jsonl   batches, how they came to be; dedup
      intents/decisions.json                                             how dedup's decisions came to be
      intents/overrules.jsonl                                            what a curator decided against it
      intents/requests.jsonl                                             what was asked of models for intents
      embeddings/MODEL/*.parquet   embeddings/MODEL/map.parquet          by model and utterance hash
      embeddings/MODEL/gram.bin                                          derived, safe to delete
      runs/RUN_ID/config.json status.json control.json worker.lock worker.log
      runs/RUN_ID/requests.jsonl                                         every request to a model
      runs/RUN_ID/trajectories/ID.json    runs/RUN_ID/playing/ID.json    finished; in progress
      runs/RUN_ID/reexecutions/ID.json                                   derived, safe to delete
      runs/RUN_ID/blobs/ab/abcd...
      tables/                                                            derived, safe to delete
      calibration/requests.jsonl                                         what was asked of measured judges
      reviews/flags.jsonl                                                what curators said of flags
      selections/NAME.json  splits/NAME.json  exports/
    ```
    """

    root: Path

    @property
    def settings(self) -> Path:
        """project.toml, whose presence makes a folder a project."""
        return self.root / "project.toml"

    @property
    def taxonomy(self) -> Path:
        """The current taxonomy's folder."""
        return self.root / "taxonomy"

    @property
    def taxonomy_versions(self) -> Path:
        """Folder of saved versions."""
        return self.taxonomy / "versions"

    @property
    def intents(self) -> Path:
        """Folder of intent batches."""
        return self.root / "intents"

    @property
    def dedup_decisions(self) -> Path:
        """What dedup decided, one JSON a line, rewritten whole."""
        return self.intents / "decisions.jsonl"

    @property
    def dedup_report(self) -> Path:
        """How the decisions came to be."""
        return self.intents / "decisions.json"

    @property
    def overrules(self) -> Path:
        """What a curator decided about single intents, one JSON a line; lines are only ever added."""
        return self.intents / "overrules.jsonl"

    @property
    def intent_requests(self) -> Path:
        """The log of requests to models that realise intents; lines are only ever added."""
        return self.intents / "requests.jsonl"

    @property
    def calibration_requests(self) -> Path:
        """The log of requests to models that were measured as judges; lines are only ever added."""
        return self.root / "calibration" / "requests.jsonl"

    def batch(self, name: str) -> Path:
        """One intent batch."""
        return self.intents / f"{name}.jsonl"

    def batch_info(self, name: str) -> Path:
        """How one intent batch came to be."""
        return self.intents / f"{name}.json"

    def embeddings(self, model: str) -> Path:
        """Folder of one model's vectors."""
        return self.root / "embeddings" / model

    def map(self, model: str) -> Path:
        """The 2-D map of one model's vectors."""
        return self.embeddings(model) / "map.parquet"

    def gram(self, model: str) -> Path:
        """The Gram matrix of the pool's vectors."""
        return self.embeddings(model) / "gram.bin"

    @property
    def runs(self) -> Path:
        """Folder of runs."""
        return self.root / "runs"

    def run(self, run_id: str) -> RunPaths:
        """One run's files."""
        return RunPaths(self.runs / run_id)

    @property
    def tables(self) -> Path:
        """Derived Parquet tables."""
        return self.root / "tables"

    @property
    def selections(self) -> Path:
        """Folder of selections."""
        return self.root / "selections"

    def selection(self, name: str) -> Path:
        """One selection."""
        return self.selections / f"{name}.json"

    @property
    def splits(self) -> Path:
        """Folder of splits."""
        return self.root / "splits"

    def split(self, name: str) -> Path:
        """One split."""
        return self.splits / f"{name}.json"

    @property
    def flag_decisions(self) -> Path:
        """What curators said of flags, one JSON a line; lines are only ever added."""
        return self.root / "reviews" / "flags.jsonl"

    @property
    def exports(self) -> Path:
        """Folder that the studio exports into."""
        return self.root / "exports"


@dataclass(frozen=True, slots=True)
class RunPaths:
    """The files of one run."""

    root: Path

    @property
    def config(self) -> Path:
        """The run's configuration, written once."""
        return self.root / "config.json"

    @property
    def status(self) -> Path:
        """The worker's status, rewritten whole."""
        return self.root / "status.json"

    @property
    def control(self) -> Path:
        """What the curator asks of the worker."""
        return self.root / "control.json"

    @property
    def lock(self) -> Path:
        """Held (flock) by the worker while it lives."""
        return self.root / "worker.lock"

    @property
    def log(self) -> Path:
        """The worker's log."""
        return self.root / "worker.log"

    @property
    def requests(self) -> Path:
        """The log of the run's requests to models; lines are only ever added."""
        return self.root / "requests.jsonl"

    @property
    def trajectories(self) -> Path:
        """Finished trajectories, one JSON file each."""
        return self.root / "trajectories"

    @property
    def playing(self) -> Path:
        """Trajectories in progress, rewritten after every turn."""
        return self.root / "playing"

    def trajectory(self, trajectory_id: str) -> Path:
        """One finished trajectory."""
        return self.trajectories / f"{trajectory_id}.json"

    def in_progress(self, trajectory_id: str) -> Path:
        """One trajectory in progress."""
        return self.playing / f"{trajectory_id}.json"

    @property
    def reexecutions(self) -> Path:
        """What came of running finished trajectories' calls again, one JSON file each."""
        return self.root / "reexecutions"

    def reexecution(self, trajectory_id: str) -> Path:
        """What came of running one trajectory's calls again."""
        return self.reexecutions / f"{trajectory_id}.json"

    def blob(self, sha256: str) -> Path:
        """One stream by its content hash."""
        return self.root / "blobs" / sha256[:2] / sha256


def _repository_root() -> Path:
    return Path(__file__).resolve().parent.parent


def data_dir() -> Path:
    """The packaged starter data if this is an installed wheel, else the repository's `data/`."""
    packaged = Path(__file__).resolve().parent / "_data"
    return packaged if packaged.is_dir() else _repository_root() / "data"


def streamlit_home() -> Path:
    """The folder that holds the studio's `.streamlit`: packaged if this is a wheel, else the repository."""
    packaged = data_dir()
    return packaged if (packaged / ".streamlit").is_dir() else _repository_root()


def prompts_dir() -> Path:
    """The prompt templates."""
    return Path(__file__).resolve().parent / "prompts"


def cache_dir() -> Path:
    """Where weights are kept: $ISE_CACHE, else $XDG_CACHE_HOME/ise-studio, else ~/.cache/ise-studio."""
    if chosen := os.environ.get("ISE_CACHE"):
        return Path(chosen)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "ise-studio"
    try:
        return Path.home() / ".cache" / "ise-studio"
    except RuntimeError as error:
        raise InputError("this user has no home folder: set ISE_CACHE to a folder for the weights") from error


def templates_dir() -> Path:
    """Where unpacked workspace templates lie: in the cache folder, so that all workers share them.

    Root's sandboxes run as another user, who cannot pass through root's home folder: unless a cache folder
    was chosen, root's templates are in /var/cache/ise-studio.
    """
    chosen = os.environ.get("ISE_CACHE") or os.environ.get("XDG_CACHE_HOME")
    base = Path("/var/cache/ise-studio") if os.geteuid() == 0 and not chosen else cache_dir()
    return base / "templates"


def default_project() -> Path:
    """$ISE_PROJECT, else data/projects/demo under the current folder."""
    return Path(os.environ.get("ISE_PROJECT") or "data/projects/demo")
