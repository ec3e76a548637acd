"""What a change of the taxonomy does to the draw is said part by part, and whom it leaves behind."""

from __future__ import annotations

from engine.intents.effect import left_behind, share_changes
from engine.intents.targets import targets_of
from engine.schema.taxonomy import Taxonomy
from engine.store import Project
from engine.taxonomy import current_taxonomy
from tests.builders import make_intent


def test_a_heavier_domain_moves_most_and_the_others_pay(project: Project) -> None:
    before = current_taxonomy(project)
    heavier = tuple(
        d.model_copy(update={"weight": 3.0}) if d.domain_id == "file-io" else d for d in before.domains
    )
    after = Taxonomy(**{name: getattr(before, name) for name in Taxonomy.model_fields} | {"domains": heavier})
    changes = share_changes(targets_of(before), targets_of(after))
    assert changes[0].part == ("domain", "file-io")
    assert changes[0].after > changes[0].before
    domains = [c for c in changes if c.part[0] == "domain"]
    assert len(domains) == len(before.domains)
    assert all(c.after < c.before for c in domains[1:])
    assert all(c.part[0] not in ("persona", "industry", "complexity") for c in changes)


def test_no_change_changes_no_share(project: Project) -> None:
    taxonomy = current_taxonomy(project)
    assert share_changes(targets_of(taxonomy), targets_of(taxonomy)) == []


def test_intents_that_name_entries_that_are_gone_are_counted_once_and_their_entries_named(
    project: Project,
) -> None:
    taxonomy = current_taxonomy(project)
    persona = taxonomy.personas[0]
    whole = make_intent(
        "a", persona=persona, domain_ids=("file-io",), task_ids=("csv-to-json", "merge-files", "rename-batch")
    )
    torn = make_intent(
        "b", persona=persona, domain_ids=("file-io", "gone"), task_ids=("lost-1", "lost-2", "csv-to-json")
    )
    found = left_behind([whole, torn], taxonomy)
    assert found.n_intents == 1
    assert dict(found.entries) == {("domain", "gone"): 1, ("task", "lost-1"): 1, ("task", "lost-2"): 1}
