"""Each configuration of docs/gateways.md, as it stands there, against a server that keeps what it is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from loopback import Loopback, Reply, Request

from route_agent.config import BUILT_IN, Endpoint, Provider, load_config
from route_agent.lanes import anthropic, openai
from route_agent.lanes.style import style_of
from route_agent.policy import LaneSpec, parse_policy
from route_agent.records.lanes import Prompt, Shape

PAGE = (Path(__file__).parents[1] / "docs" / "gateways.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
CONFIGS = [block for block in BLOCKS if block.startswith("providers:")]
POLICIES = [block for block in BLOCKS if block.startswith("# in the policy")]
PROVIDERS: dict[str, dict[str, Any]] = {
    name: fields for block in CONFIGS for name, fields in yaml.safe_load(block)["providers"].items()
}
KEY = "sk-upstream-0123456789"
PROMPT = Prompt(
    "You write patches.", "Fix it.", project="The outline.", shape=Shape("patch", {"type": "object"})
)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


def ask(server: Loopback, name: str, model: str = "some-model", **spec: Any) -> Request:
    """What leaves with that configuration, sent to the server instead of the address."""
    provider = Provider.model_validate(PROVIDERS[name]) if name in PROVIDERS else BUILT_IN[name]
    endpoint = Endpoint(name, provider, KEY if provider.key_env else "")
    style = style_of(endpoint, model, LaneSpec(provider=name, model=model, **spec))  # by the true address
    here = provider.model_copy(
        update={"base_url": f"http://{server.address}{urlsplit(provider.base_url).path}"}
    )
    server.script(model, Reply("done"))
    complete = anthropic.complete if provider.wire == "anthropic" else openai.complete

    reply = complete(
        Endpoint(name, here, endpoint.key), model, PROMPT, max_output_tokens=900, timeout_s=20, style=style
    )

    assert reply.text == "done"
    return server.requests[-1]


@pytest.mark.parametrize("block", CONFIGS, ids=lambda block: block.split()[1])
def test_every_configuration_is_read(block: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(block)

    assert load_config((file,)).providers


@pytest.mark.parametrize("block", POLICIES, ids=lambda block: block.split()[7])
def test_every_policy_is_read(block: str) -> None:
    assert parse_policy(f"version: 1\naccept: {{fast: ran, strong: ran}}\n{block}", "policy.yaml").models


def test_every_model_of_a_proxys_own_naming_has_a_rate(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIGS[0])
    lanes = parse_policy(
        f"version: 1\naccept: {{fast: ran, strong: ran}}\n{POLICIES[0]}", "policy.yaml"
    ).models
    specs = [spec for lane in lanes.values() for spec in lane]

    named = {spec.model for spec in specs} | {other.model for spec in specs for other in spec.fallbacks}

    assert named == set(load_config((file,)).rates)


@pytest.mark.parametrize("name", [*PROVIDERS, "openrouter", "ollama"])
def test_every_address_is_asked_in_its_format_and_with_its_key(server: Loopback, name: str) -> None:
    sent = ask(server, name)

    provider = PROVIDERS.get(name) or BUILT_IN[name].model_dump()
    end = "/messages" if provider.get("wire") == "anthropic" else "/chat/completions"
    assert sent.path.endswith(end)
    carried = [sent.headers.get(header, "") for header in ("authorization", "x-api-key")]
    if not provider.get("key_env"):
        assert carried == ["", ""]
    elif provider.get("key_header") == "x-api-key":
        assert carried == ["", KEY]
    else:
        assert carried == [f"Bearer {KEY}", ""]
    assert sent.streamed is provider.get("stream", True)
    for header, value in provider.get("headers", {}).items():
        assert sent.headers[header] == value
    if version := provider.get("version"):
        assert sent.headers["anthropic-version"] == version


def test_a_claude_model_of_openrouter_is_asked_with_marks_and_others_without(server: Loopback) -> None:
    assert "cache_control" in str(ask(server, "openrouter", "anthropic/claude-opus-5.5").body)
    assert "cache_control" not in str(ask(server, "openrouter", "openai/gpt-6").body)


@pytest.mark.parametrize(
    ("name", "form"), [("vllm", "json_schema"), ("ollama", "json_object"), ("litellm", None)]
)
def test_an_answer_is_held_to_what_the_page_says(server: Loopback, name: str, form: str | None) -> None:
    assert ask(server, name).body.get("response_format", {"type": None})["type"] == form
