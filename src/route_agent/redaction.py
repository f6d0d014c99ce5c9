"""What must not leave the machine: files by name, and secrets by their shape. Applied before a model reads
anything and before anything is stored.

The patterns are the published prefixes of widely used keys; entropy alone is not used, since it fires on
every hash.
"""

from __future__ import annotations

import re
from typing import Any

_NAMES = re.compile(
    r"(^|/)("
    r"\.env(\.(?!example$|sample$|template$|dist$)[^/]*)?|\.envrc|\.netrc|\.pgpass|\.npmrc|\.pypirc|\.git-credentials"
    r"|\.htpasswd|id_(rsa|dsa|ecdsa|ed25519)|[^/]*\.(pem|key|p12|pfx|jks|keystore|kdbx|ppk)"
    r"|kubeconfig|credentials(\.(json|ya?ml|toml|ini))?|secrets?\.(json|ya?ml|toml|ini|env)|service[-_]account[^/]*\.json"
    r")$",
    re.IGNORECASE,
)

_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        (
            "private-key",
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----|[\s\S]*)",
        ),
        ("anthropic-key", r"\bsk-ant-[A-Za-z0-9_-]{16,}"),
        ("openrouter-key", r"\bsk-or-v1-[A-Za-z0-9]{16,}"),
        ("openai-key", r"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{20,}"),
        ("aws-key-id", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
        ("aws-secret", r"(?i)\baws_secret_access_key\b\s*[=:]\s*['\"]?[A-Za-z0-9/+=]{40}"),
        ("github-token", r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{40,})"),
        ("gitlab-token", r"\bglpat-[A-Za-z0-9_-]{18,}"),
        ("slack-token", r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
        ("google-key", r"\bAIza[A-Za-z0-9_-]{35}"),
        ("stripe-key", r"\b(?:sk|rk)_live_[A-Za-z0-9]{20,}"),
        ("huggingface-token", r"\bhf_[A-Za-z0-9]{30,}"),
        ("pypi-token", r"\bpypi-[A-Za-z0-9_-]{50,}"),
        ("npm-token", r"\bnpm_[A-Za-z0-9]{36}\b"),
        ("jwt", r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
        ("url-password", r"(?<=://)[^\s/:@'\"]{1,100}:[^\s/@'\"]{3,200}(?=@)"),
    )
)

PLACEHOLDER = "[redacted:{}]"
_PLACEHOLDERS = re.compile(r"\[redacted:[a-z-]+\]")


def is_secret_name(path: str) -> bool:
    """Whether a file of this name usually holds secrets; such files are never sent."""
    return bool(_NAMES.search(path))


def redact(text: str) -> str:
    """The text with every secret of a known shape replaced by `[redacted:<kind>]`."""
    for name, pattern in _SHAPES:
        text = pattern.sub(PLACEHOLDER.format(name), text)
    return text


def redact_all(value: Any) -> Any:
    """The same for every text inside plain data: a pattern must not run across the borders of its fields."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [redact_all(item) for item in value]
    if isinstance(value, dict):
        return {key: redact_all(item) for key, item in value.items()}
    return value


def has_placeholder(text: str) -> bool:
    """Whether the text holds one of our own placeholders, as a reply does that copies what it was shown."""
    return bool(_PLACEHOLDERS.search(text))
