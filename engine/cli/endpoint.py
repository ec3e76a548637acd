"""Commands about the endpoints that models answer at."""

from __future__ import annotations

import click

from engine.cli.base import Session, pass_session


@click.group()
def endpoint() -> None:
    """The endpoints of project.toml."""


@endpoint.command()
@click.option(
    "--provider", default=None, help="openai:MODEL[@ENDPOINT]; default the project's agent, else its user."
)
@pass_session
def test(session: Session, provider: str | None) -> int:
    """Try an endpoint: its models, a chat, JSON output, a tool call; exit 1 if it cannot play."""
    from engine.endpoints import try_endpoint

    report = try_endpoint(session.project().settings, provider)
    lines = [f"{report.model} at {report.base_url}"]
    for check in report.checks:
        time = "" if check.latency_s is None else f" ({check.latency_s:.1f} s)"
        mend = f": {check.mend}" if check.mend else ""
        lines.append(f"{'ok  ' if check.ok else 'MEND'}  {check.name}: {check.detail}{mend}{time}")
    if report.can_judge and not report.ok:
        lines.append("it can realise intents, play the user and judge, but not play the agent")
    if not report.priced:
        lines.append(f'no price: set prompt and completion under [prices."{report.model}"] to count cost')
    session.answer(report.model_dump(mode="json"), "\n".join(lines))
    return 0 if report.ok else 1


COMMANDS = (endpoint,)
