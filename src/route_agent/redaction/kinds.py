"""The published shapes of secrets: a fixed beginning each, or a word beside which only a secret stands.

Entropy alone is no sign, since it fires on every hash. Every expression takes time in proportion to the text:
what repeats is bounded, or cannot begin again within itself. A text is only searched for a kind whose word
stands in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Kind:
    """One shape of secret.

    Attributes:
        name: what stands in its place: `[redacted:<name>]`.
        words: one of these is in every secret of the kind, in lower case where `folded`.
        source: the expression that finds it; the group `secret` where there is one, else the whole.
        folded: whether case does not matter.
        begins: whether the pattern begins with the word, so that it need be tried nowhere else.
    """

    name: str
    words: tuple[str, ...]
    source: str
    folded: bool = False
    begins: bool = True

    @property
    def pattern(self) -> re.Pattern[str]:
        """The expression, compiled when it is first needed: most commands never look for most kinds."""
        return _compiled(self.source, folded=self.folded)


@cache
def _compiled(source: str, *, folded: bool) -> re.Pattern[str]:
    return re.compile(source, re.IGNORECASE if folded else 0)


# what ends in a letter or digit and is no part of a word: \n \x0a \u000a %0A and the codes of colours
_ESCAPE = (
    r"(?<=\\[nrtbfv0])|(?<=\\x[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2})"
    r"|(?<=\[[0-9]m)|(?<=\[[0-9]{2}m)|(?<=\[[0-9];[0-9]{2}m)"
)
_FREE = rf"(?:(?<![A-Za-z0-9])|{_ESCAPE})"  # nothing that could belong to a longer word stands before it
_DONE = r"(?![A-Za-z0-9])"
_SET = r"['\"]?\s{0,40}(?:=>|[=:])\s{0,40}['\"]?"  # between a setting's name and its value
_DIGIT = r"(?=[A-Za-z_-]{0,120}[0-9])"  # words joined by hyphens have none
_BASE64 = r"[A-Za-z0-9+/]"


def _kind(name: str, words: str, source: str, *, folded: bool = False, begins: bool = True) -> Kind:
    return Kind(name, tuple(words.split(" ")), source, folded, begins)


KINDS: tuple[Kind, ...] = (
    # models
    _kind("anthropic-key", "sk-ant-", rf"{_FREE}sk-ant-{_DIGIT}[A-Za-z0-9_-]{{16,}}"),
    _kind("openrouter-key", "sk-or-", rf"{_FREE}sk-or-(?:v1-)?{_DIGIT}[A-Za-z0-9]{{16,}}"),
    _kind("openai-key", "sk-", rf"{_FREE}sk-(?:(?:proj|svcacct|admin)-)?{_DIGIT}[A-Za-z0-9_-]{{20,}}"),
    _kind("groq-key", "gsk_", rf"{_FREE}gsk_[A-Za-z0-9]{{40,}}"),
    _kind("xai-key", "xai-", rf"{_FREE}xai-[A-Za-z0-9]{{40,}}"),
    _kind("perplexity-key", "pplx-", rf"{_FREE}pplx-[A-Za-z0-9]{{40,}}"),
    _kind("replicate-token", "r8_", rf"{_FREE}r8_[A-Za-z0-9]{{30,}}"),
    _kind("huggingface-token", "hf_", rf"{_FREE}hf_[A-Za-z0-9]{{30,}}"),
    # clouds
    _kind("aws-key-id", "AKIA ASIA", rf"{_FREE}(?:AKIA|ASIA)(?![A-Z0-9]{{9}}EXAMPLE)[A-Z0-9]{{16}}{_DONE}"),
    _kind(
        "aws-secret",
        "aws",
        rf"aws.?secret.?(?:access.?)?key{_SET}(?P<secret>(?!{_BASE64}{{30}}EXAMPLEKEY){_BASE64}{{40}})"
        r"(?![A-Za-z0-9+/=])",
        folded=True,
    ),
    _kind("google-key", "AIza", rf"{_FREE}AIza[A-Za-z0-9_-]{{35}}"),
    _kind("google-client-secret", "GOCSPX-", rf"{_FREE}GOCSPX-[A-Za-z0-9_-]{{24,40}}"),
    _kind("google-oauth-token", "ya29.", rf"{_FREE}ya29\.[A-Za-z0-9_-]{{30,}}"),
    _kind(
        "azure-key",
        "AccountKey= AccessKey=",
        rf"(?:AccountKey|AccessKey)=(?P<secret>{_BASE64}{{43,86}}={{1,2}})",
    ),
    _kind(
        "azure-client-secret",
        "Q~",
        rf"{_FREE}[A-Za-z0-9_~.]{{3}}[0-9]Q~[A-Za-z0-9_~.-]{{31,34}}{_DONE}",
        begins=False,
    ),
    _kind("digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", rf"{_FREE}do[opr]_v1_[a-f0-9]{{64}}{_DONE}"),
    _kind("databricks-token", "dapi", rf"{_FREE}dapi[a-f0-9]{{32}}(?:-[0-9])?{_DONE}"),
    _kind(
        "supabase-token",
        "sbp_ sb_secret_",
        rf"{_FREE}(?:sbp_[a-f0-9]{{40}}|sb_secret_[A-Za-z0-9_-]{{20,}})"),
    _kind("planetscale-token", "pscale_", rf"{_FREE}pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{{32,}}"),
    _kind("fly-token", "fm1_ fm2_ fo1_", rf"{_FREE}(?:fm[12]_{_BASE64}{{100,}}|fo1_[A-Za-z0-9_-]{{43}})"),
    # code, packages, builds
    _kind(
        "github-token",
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
        rf"{_FREE}(?:gh[pousr]_[A-Za-z0-9]{{30,}}|github_pat_[A-Za-z0-9_]{{40,}})",
    ),
    _kind(
        "gitlab-token",
        "glpat- gldt- glrt- glrtr- glcbt- glptt- glft- glimt- glagent- glsoat- glffct-",
        rf"{_FREE}gl(?:pat|dt|rt|rtr|cbt|ptt|ft|imt|agent|soat|ffct)-{_DIGIT}[A-Za-z0-9_-]{{18,}}",
    ),
    _kind("pypi-token", "pypi-", rf"{_FREE}pypi-{_DIGIT}[A-Za-z0-9_-]{{50,}}"),
    _kind("npm-token", "npm_", rf"{_FREE}npm_[A-Za-z0-9]{{36}}{_DONE}"),
    _kind("rubygems-key", "rubygems_", rf"{_FREE}rubygems_[a-f0-9]{{48}}{_DONE}"),
    _kind("docker-token", "dckr_pat_", rf"{_FREE}dckr_pat_[A-Za-z0-9_-]{{20,}}"),
    _kind("pulumi-token", "pul-", rf"{_FREE}pul-[a-f0-9]{{40}}{_DONE}"),
    _kind(
        "terraform-token",
        ".atlasv1.",
        rf"{_FREE}[A-Za-z0-9]{{14}}\.atlasv1\.[A-Za-z0-9_=-]{{60,}}",
        begins=False,
    ),
    _kind("vault-token", "hvs. hvb. hvr.", rf"{_FREE}hv[sbr]\.{_DIGIT}[A-Za-z0-9_-]{{24,}}"),
    _kind(
        "doppler-token",
        "dp.",
        rf"{_FREE}dp\.[a-z]{{2,6}}\.(?:[a-z0-9_-]{{2,35}}\.)?[A-Za-z0-9]{{40,44}}{_DONE}",
    ),
    _kind("postman-key", "PMAK-", rf"{_FREE}PMAK-[a-f0-9]{{24}}-[a-f0-9]{{34}}{_DONE}"),
    _kind("sentry-token", "sntry", rf"{_FREE}sntry[su]_[A-Za-z0-9+/=_-]{{40,}}"),
    _kind("newrelic-key", "NRAK- NRII- NRJS-", rf"{_FREE}NR(?:AK|II|JS)-[A-Za-z0-9_-]{{19,40}}"),
    _kind(
        "grafana-token",
        "glsa_ glc_",
        rf"{_FREE}(?:glsa_[A-Za-z0-9]{{32}}_[a-f0-9]{{8}}|glc_{_BASE64}{{32,}})",
    ),
    # messages and people
    _kind(
        "slack-token",
        "xox xapp-",
        rf"{_FREE}(?:xox[abeoprs]-[A-Za-z0-9.-]{{10,}}|xapp-[0-9]-[A-Za-z0-9-]{{20,}})",
    ),
    _kind(
        "slack-webhook",
        "hooks.slack.com/",
        r"hooks\.slack\.com/(?P<secret>(?:services|workflows|triggers)/[A-Za-z0-9/_-]{20,})",
    ),
    _kind(
        "discord-webhook",
        "discord.com/api/webhooks/ discordapp.com/api/webhooks/",
        r"discord(?:app)?\.com/api/webhooks/(?P<secret>[0-9]{15,22}/[A-Za-z0-9_-]{50,})",
    ),
    _kind(
        "discord-token",
        ".",
        rf"(?:(?<![A-Za-z0-9_.-])|{_ESCAPE})[MNO][A-Za-z0-9_-]{{23,27}}\.[A-Za-z0-9_-]{{6}}\.[A-Za-z0-9_-]{{27,40}}(?![A-Za-z0-9_.-])",
        begins=False,
    ),
    _kind(
        "telegram-token",
        ":AA",
        rf"(?:(?<![0-9])|{_ESCAPE})[0-9]{{8,10}}:AA[A-Za-z0-9_-]{{33}}(?![A-Za-z0-9_-])",
        begins=False,
    ),
    _kind("sendgrid-key", "SG.", rf"{_FREE}SG\.[A-Za-z0-9_-]{{16,32}}\.[A-Za-z0-9_-]{{32,64}}"),
    _kind("twilio-key", "SK", rf"{_FREE}SK[0-9a-f]{{32}}{_DONE}"),
    _kind("mailgun-key", "key-", rf"(?:(?<![A-Za-z0-9_-])|{_ESCAPE})key-[0-9a-f]{{32}}{_DONE}"),
    _kind(
        "mailchimp-key",
        "-us",
        rf"{_FREE}[0-9a-f]{{32}}-us[0-9]{{1,2}}{_DONE}",
        begins=False,
    ),
    _kind("linear-key", "lin_", rf"{_FREE}lin_(?:api|oauth)_[A-Za-z0-9]{{32,}}"),
    _kind("notion-token", "ntn_", rf"{_FREE}ntn_[A-Za-z0-9]{{40,60}}"),
    _kind("airtable-token", "pat", rf"{_FREE}pat[A-Za-z0-9]{{14}}\.[a-f0-9]{{64}}{_DONE}"),
    _kind("atlassian-token", "ATATT3", rf"{_FREE}ATATT3[A-Za-z0-9_=-]{{100,}}"),
    _kind("figma-token", "figd_", rf"{_FREE}figd_[A-Za-z0-9_-]{{40,60}}"),
    # money
    _kind("stripe-key", "sk_live_ rk_live_", rf"{_FREE}(?:sk|rk)_live_[A-Za-z0-9]{{20,}}"),
    _kind("stripe-webhook-secret", "whsec_", rf"{_FREE}whsec_[A-Za-z0-9+/=]{{24,}}"),
    _kind("shopify-token", "shp", rf"{_FREE}shp(?:at|ca|pa|ss)_[a-fA-F0-9]{{32}}{_DONE}"),
    _kind("square-token", "sq0", rf"{_FREE}sq0(?:atp|csp)-[A-Za-z0-9_-]{{22,43}}"),
    # of no one house
    _kind("age-key", "AGE-SECRET-KEY-", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    _kind(
        "jwt",
        "eyJ",
        rf"(?:(?<![A-Za-z0-9_-])|{_ESCAPE})eyJ[A-Za-z0-9_-]{{10,}}\.eyJ[A-Za-z0-9_-]{{10,}}\.[A-Za-z0-9_-]{{10,}}",
    ),
    _kind(
        "url-password",
        "://",
        r"://(?P<secret>[^\s/:@'\"<>{}$]{0,100}:(?!(?:password|passwd|pass|pwd|secret|changeme|\*+|x+|\.+)@)"
        r"[^\s/@'\"<>{}$]{3,200})@",
    ),
    _kind(
        "basic-auth",
        "authorization",
        rf"authorization{_SET}basic\s{{1,10}}(?P<secret>[A-Za-z0-9+/]{{8,}}={{0,2}})",
        folded=True,
    ),
    _kind(
        "bearer-token",
        "bearer",
        r"bearer\s{1,10}(?P<secret>(?=[A-Za-z._~+/-]{0,120}[0-9])[A-Za-z0-9._~+/-]{20,}={0,2})",
        folded=True,
    ),
    _kind(
        "api-key-header",
        "x-api-key",
        rf"x-api-key{_SET}(?P<secret>{_DIGIT}[A-Za-z0-9_.-]{{16,}})",
        folded=True,
    ),
)  # fmt: skip
