"""Takes a picture of every view, light and dark, into docs/screenshots: `make screenshots`.

Without an argument it makes a project of its own first, which takes some minutes; an argument names a
finished project to look at.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize

from engine import generation, pipeline
from engine.curate.export import export
from engine.curate.selections import save_selection
from engine.curate.splits import make_split
from engine.intents.review import list_pairs, overrule_dedup
from engine.providers.weights import find_weights
from engine.runs import RunRequest, start_run, wait_for
from engine.schema.intent import Intent
from engine.store.intents import read_intents, write_batch
from engine.store.project import Project
from engine.taxonomy import read_version, save_taxonomy
from tests.e2e.harness import REPOSITORY, Watched, launched, served, type_into_cell

OUT = REPOSITORY / "docs" / "screenshots"
SIZE = ViewportSize(width=1280, height=900)
JOB_MS = 600_000
_OTHER_WORDS = {
    "I have to ": "I need to ",
    "I would like ": "I want ",
    " and check ": " and make sure ",
    "Finally, ": "Last of all, ",
    " because ": " since ",
    " tell ": " let ",
}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


Views = Mapping[str, tuple[str, Callable[[Page], None]]]
"""Name of the picture -> the view's address and what to do there first."""


def make_project(root: Path) -> Project:
    """A project that has come the whole way."""
    project = Project.create(root)
    if find_weights() is None:
        settings = project.paths.settings
        text = settings.read_text(encoding="utf-8").replace("all-mpnet-base-v2", "hashing-768")
        settings.write_text(text, encoding="utf-8")
        project = Project.open(root)
    generation.generate_intents(project, 400)
    write_reworded(project, 24)
    pipeline.embed_intents(project)
    pipeline.dedup_intents(project)
    for number, pair in enumerate(list_pairs(project, limit=3)):
        overrule_dedup(project, pair.intent_id, keep=number == 1, author="ada")
    pipeline.map_intents(project)
    wait_for(project, start_run(project, RunRequest(count=36)))
    texts = read_version(project, "current")
    texts["domains.yaml"] = texts["domains.yaml"].replace("Files as such", "Plain files")
    save_taxonomy(project, texts)
    save_selection(project, "recovered", "n_recoveries > 0 and stop_reason = 'user_done'")
    make_split(project, "first", "recovered", {"train": 0.8, "validation": 0.1, "test": 0.1}, seed=1)
    export(project, project.paths.exports / "first-openai", split="first")
    return project


def write_reworded(project: Project, number: int) -> None:
    """Adds a batch that says some intents again in a few other words: the realiser never repeats itself."""
    reworded: list[Intent] = []
    for intent in read_intents(project):
        text = intent.utterance
        for words, others in _OTHER_WORDS.items():
            text = text.replace(words, others)
        if text != intent.utterance and len(reworded) < number:
            reworded.append(
                intent.model_copy(
                    update={"intent_id": f"intent_again_{len(reworded):04d}", "utterance": text}
                )
            )
    write_batch(project, reworded)


def a_failure(project: Project) -> str:
    """The address of a failed call that was recovered from."""
    from engine.catalog import Catalog

    with Catalog.open(project) as catalog:
        (row,) = catalog.rows(
            "select r.trajectory_id, c.turn, r.tool_call_id from recoveries r join tool_calls c "
            "using (trajectory_id, tool_call_id) where c.tool = 'exec' and r.recovered_by is not null "
            "order by length(c.output), 1 limit 1"
        )
    return f"replay?trajectory={row['trajectory_id']}&turn={row['turn'] + 1}&call={row['tool_call_id']}"


def nothing(page: Page) -> None:
    """Leaves the page as it opens."""


def ask(page: Page) -> None:
    """Asks the example query."""
    page.get_by_role("tab", name="SQL").click()
    page.get_by_role("button", name="Ask").click()


def edit_a_weight(page: Page) -> None:
    """Sets a domain's weight to nothing, which shows what that does to the coverage."""
    page.get_by_role("tab", name="Domains").click()
    page.wait_for_timeout(1500)
    type_into_cell(page, column=750, row=1, text="0")
    page.get_by_text("Effect on coverage").wait_for(timeout=60_000)


def propose(page: Page) -> None:
    """Asks for proposals and puts the job's box away."""
    page.get_by_role("button", name="Propose", exact=True).click()
    page.get_by_text("cells proposed").wait_for(timeout=JOB_MS)
    page.get_by_role("button", name="Put away").click()


def take(browser: Browser, address: str, views: Views) -> None:
    """One picture of each view in each scheme, in 256 colours to keep the files small."""
    OUT.mkdir(parents=True, exist_ok=True)
    for scheme in SCHEMES:
        context = browser.new_context(viewport=SIZE, color_scheme=scheme)
        watched = Watched.of(context.new_page(), address)
        for name, (path, act) in views.items():
            page = watched.open(path)
            page.wait_for_timeout(1500)
            act(page)
            watched.settle()
            page.mouse.move(700, 890)
            page.wait_for_timeout(2000)
            image = Image.open(BytesIO(page.screenshot())).convert("RGB").quantize(256)
            image.save(OUT / f"{name}-{scheme}.png", optimize=True)
        context.close()
        assert not watched.foreign_hosts, watched.foreign_hosts


def main(arguments: list[str]) -> None:
    """Makes or opens the project, and takes the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        project = Project.open(Path(arguments[0])) if arguments else make_project(Path(folder) / "depot")
        views: Views = {
            "overview": ("", nothing),
            "taxonomy": ("taxonomy", nothing),
            "taxonomy-effect": ("taxonomy", edit_a_weight),
            "intents-map": ("intents", nothing),
            "intents-diversity": ("intents?tab=Diversity", nothing),
            "intents-coverage": ("intents?tab=Coverage", nothing),
            "intents-propose": ("intents?tab=Propose", propose),
            "intents-repeats": ("intents?tab=Repeats", nothing),
            "runs": ("runs", nothing),
            "trajectories": ("trajectories?failed=with", nothing),
            "trajectories-sql": ("trajectories", ask),
            "replay": (a_failure(project), nothing),
            "export": ("export", nothing),
        }
        with served(project.root) as address, launched() as browser:
            take(browser, address, views)


if __name__ == "__main__":
    main(sys.argv[1:])
