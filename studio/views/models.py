"""Models: the endpoints of the project, what they cost, and a button that tries one as a run would."""

from __future__ import annotations

import streamlit as st

from engine.endpoints import EndpointCheck, EndpointReport, default_provider, try_endpoint
from engine.errors import InputError
from engine.schema.project import ProjectSettings
from studio import state
from studio.widgets import content, errors
from studio.widgets.frame import page_head
from studio.widgets.plain import duration, escaped, plural

_REPORT = "endpoint_report"
_EXAMPLE = """[endpoint]
base_url = "http://127.0.0.1:8000/v1"
requests_per_minute = 120

[endpoints.judge]
base_url = "https://api.example.com/v1"
api_key_env = "JUDGE_API_KEY"

[prices."MODEL"]
prompt = 0.15
completion = 0.60"""


def view() -> None:
    """The page."""
    page_head(
        "Models",
        "Which models play, realise and judge, and at which endpoints. Keys stand in the environment alone.",
    )
    settings = state.project().settings
    _roles(settings)
    _try(settings)
    _endpoints(settings)
    _prices(settings)
    with st.expander("How to set them: project.toml", type="compact"):
        st.code(_EXAMPLE, language="toml")
        st.caption(
            "A provider is `scripted`, `openai:MODEL`, or `openai:MODEL@NAME` at the endpoint of that name."
        )


def _roles(settings: ProjectSettings) -> None:
    with st.container(horizontal=True, gap="large"):
        for role in ("user", "agent", "realizer", "judge"):
            with st.container(width="content", gap=None):
                st.caption({"user": "User simulator", "realizer": "Realiser"}.get(role, role.capitalize()))
                content.strong(str(getattr(settings, role)), f"role-{role}")


def _try(settings: ProjectSettings) -> None:
    with st.form("try_endpoint"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            provider = st.text_input(
                "Provider", _first_model(settings), placeholder="openai:MODEL or openai:MODEL@NAME"
            )
            asked = st.form_submit_button("Test this endpoint", type="primary")
        st.caption(
            "Lists its models, then asks for a word, a JSON object and a tool call: a few hundred tokens."
        )
    if asked:
        st.session_state.pop(_REPORT, None)
        with errors.shown(), st.spinner("Asking the endpoint"):
            st.session_state[_REPORT] = try_endpoint(settings, provider.strip() or None)
    report = st.session_state.get(_REPORT)
    if isinstance(report, EndpointReport):
        _report(report)


def _first_model(settings: ProjectSettings) -> str:
    try:
        return default_provider(settings)
    except InputError:
        return ""


def _report(report: EndpointReport) -> None:
    with st.container(border=True, key="endpoint-report"):
        with st.container(horizontal=True, vertical_alignment="center"):
            content.strong(report.provider, "endpoint-provider")
            if report.ok:
                st.badge("can play user and agent", color="green")
            elif report.can_judge:
                st.badge("can play the user, realise and judge", color="orange")
            else:
                st.badge("cannot play yet", color="red")
            content.quiet(report.base_url, "endpoint-address")
        for check in report.checks:
            _check(check)
        known = f"{plural(len(report.models), 'model')} listed" if report.models else "no list of models"
        cost = (
            "cost is counted"
            if report.priced
            else "no price is known: cost is not counted, a budget is refused"
        )
        st.caption(f"Tools: {report.tools.value} · {known} · {cost}")


def _check(check: EndpointCheck) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(f"{check.name}: {'works' if check.ok else 'FAILED'}", color="green" if check.ok else "red")
        content.quiet(check.detail, f"check-{check.name}")
        if check.latency_s is not None:
            st.caption(duration(check.latency_s * 1000), width="content")
    if check.mend:
        st.caption(f"Mend: {escaped(check.mend)}")


def _endpoints(settings: ProjectSettings) -> None:
    named = settings.all_endpoints
    st.dataframe(
        [
            {
                "name": name,
                "address": one.base_url,
                "key": one.api_key_env,
                "tools": one.tools.value,
                "per minute": one.requests_per_minute,
                "tokens": one.tokens_per_minute,
                "parallel": one.max_parallel_requests,
            }
            for name, one in named.items()
        ],
        hide_index=True,
        height="content",
        column_config={
            "name": st.column_config.TextColumn("Endpoint", width=100),
            "address": st.column_config.TextColumn("Address", width=300),
            "key": st.column_config.TextColumn("Key from"),
            "tools": st.column_config.TextColumn("Tools", width=70),
            "per minute": st.column_config.NumberColumn("Requests a minute"),
            "tokens": st.column_config.NumberColumn("Tokens a minute"),
            "parallel": st.column_config.NumberColumn("At a time"),
        },
        alt="Endpoints",
    )


def _prices(settings: ProjectSettings) -> None:
    if not settings.prices:
        st.caption("No prices are set: what a model costs is not counted.")
        return
    st.dataframe(
        [
            {"model": name, "prompt": p.prompt, "completion": p.completion, "cached": p.cached}
            for name, p in settings.prices.items()
        ],
        hide_index=True,
        height="content",
        column_config={
            "model": st.column_config.TextColumn("Model", width=300),
            "prompt": st.column_config.NumberColumn("Prompt, USD per million tokens"),
            "completion": st.column_config.NumberColumn("Completion"),
            "cached": st.column_config.NumberColumn("Cached prompt"),
        },
        alt="Prices",
    )


view()
