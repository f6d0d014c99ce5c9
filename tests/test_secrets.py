"""Which texts are taken for secrets, and which are not. Every secret here is made at run time and opens nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import time
import uuid

import pytest

from route_agent.redaction import PRIVATE_KEYS, find, has_placeholder, redact, redact_all
from route_agent.redaction.kinds import KINDS

DICE = random.Random(7)
ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def some(length: int, letters: str = ALNUM) -> str:
    """Random letters, a digit among them."""
    return "7" + "".join(DICE.choice(letters) for _ in range(length - 1))


def pem(kind: str = "RSA", lines: int = 6) -> str:
    body = "\n".join(base64.b64encode(DICE.randbytes(48)).decode() for _ in range(lines))
    return f"-----BEGIN {kind} PRIVATE KEY-----\n{body}\n-----END {kind} PRIVATE KEY-----"


def jwt() -> str:
    parts = [json.dumps({"alg": "HS256", "typ": "JWT"}), json.dumps({"sub": some(12)})]
    coded = [base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts]
    return ".".join((*coded, some(43, ALNUM + "_-")))


# kind, what stands before the secret, the secret
MADE: list[tuple[str, str, str]] = [
    ("anthropic-key", "", "sk-ant-" + "api03-" + some(93, ALNUM + "_-") + "AA"),
    ("openrouter-key", "", "sk-or-" + "v1-" + some(64, HEX)),
    ("openai-key", "", "sk-" + some(20) + "T3BlbkFJ" + some(20)),
    ("openai-key", "", "sk-" + "proj-" + some(120, ALNUM + "_-")),
    ("openai-key", "", "sk-" + "svcacct-" + some(120, ALNUM + "_-")),
    ("openai-key", "", "sk-" + "admin-" + some(120, ALNUM + "_-")),
    ("groq-key", "", "gsk" + "_" + some(52)),
    ("xai-key", "", "xai" + "-" + some(80)),
    ("perplexity-key", "", "pplx" + "-" + some(48)),
    ("replicate-token", "", "r8" + "_" + some(37)),
    ("huggingface-token", "", "hf" + "_" + some(34)),
    ("aws-key-id", "", "AKIA" + some(16, string.ascii_uppercase + "234567")),
    ("aws-secret", "aws_secret_access_key = ", some(40, ALNUM + "/+")),
    ("aws-secret", '"AWSSecretKey": "', some(40, ALNUM + "/+")),
    ("google-key", "", "AIza" + some(35, ALNUM + "_-")),
    ("google-client-secret", "", "GOCSPX" + "-" + some(28, ALNUM + "_-")),
    ("google-oauth-token", "", "ya29" + "." + some(80, ALNUM + "_-")),
    ("azure-key", "DefaultEndpointsProtocol=https;AccountKey=", some(86, ALNUM + "/+") + "=="),
    ("azure-client-secret", "", some(3) + "8Q~" + some(34)),
    ("digitalocean-token", "", "dop" + "_v1_" + some(64, HEX)),
    ("databricks-token", "", "dapi" + some(32, HEX)),
    ("supabase-token", "", "sbp" + "_" + some(40, HEX)),
    ("planetscale-token", "", "pscale" + "_tkn_" + some(43)),
    ("fly-token", "", "fo1" + "_" + some(43)),
    ("github-token", "", "ghp" + "_" + some(36)),
    ("github-token", "", "ghs" + "_" + some(36)),
    ("github-token", "", "github" + "_pat_" + some(22) + "_" + some(59)),
    ("gitlab-token", "", "glpat" + "-" + some(20)),
    ("pypi-token", "", "pypi" + "-AgEIcHlwaS5vcmc" + some(120)),
    ("npm-token", "", "npm" + "_" + some(36)),
    ("rubygems-key", "", "rubygems" + "_" + some(48, HEX)),
    ("docker-token", "", "dckr" + "_pat_" + some(27)),
    ("pulumi-token", "", "pul" + "-" + some(40, HEX)),
    ("terraform-token", "", some(14) + ".atlasv1." + some(67)),
    ("vault-token", "", "hvs" + "." + some(95)),
    ("doppler-token", "", "dp" + ".st.dev." + some(43)),
    ("postman-key", "", "PMAK" + "-" + some(24, HEX) + "-" + some(34, HEX)),
    ("sentry-token", "", "sntrys" + "_" + some(80)),
    ("newrelic-key", "", "NRAK" + "-" + some(27, string.ascii_uppercase + string.digits)),
    ("grafana-token", "", "glsa" + "_" + some(32) + "_" + some(8, HEX)),
    ("slack-token", "", "xoxb" + "-" + some(12, string.digits) + "-" + some(24)),
    ("slack-token", "", "xapp" + "-1-" + some(40)),
    ("slack-webhook", "https://hooks.slack.com/", "services/T" + some(8) + "/B" + some(8) + "/" + some(24)),
    (
        "discord-webhook",
        "https://discord.com/api/webhooks/",
        some(18, string.digits) + "/" + some(68, ALNUM + "_-"),
    ),
    ("discord-token", "", "M" + some(25) + "." + some(6) + "." + some(38)),
    ("telegram-token", "", some(9, string.digits) + ":AA" + some(33, ALNUM + "_-")),
    ("sendgrid-key", "", "SG" + "." + some(22) + "." + some(43)),
    ("twilio-key", "", "SK" + some(32, HEX)),
    ("mailgun-key", "", "key" + "-" + some(32, HEX)),
    ("mailchimp-key", "", some(32, HEX) + "-us12"),
    ("linear-key", "", "lin" + "_api_" + some(40)),
    ("notion-token", "", "ntn" + "_" + some(46)),
    ("airtable-token", "", "pat" + some(14) + "." + some(64, HEX)),
    ("atlassian-token", "", "ATATT3" + some(180)),
    ("figma-token", "", "figd" + "_" + some(40)),
    ("stripe-key", "", "sk" + "_live_" + some(24)),
    ("stripe-key", "", "rk" + "_live_" + some(24)),
    ("stripe-webhook-secret", "", "whsec" + "_" + some(32)),
    ("shopify-token", "", "shpat" + "_" + some(32, HEX)),
    ("square-token", "", "sq0" + "atp-" + some(22)),
    ("age-key", "", "AGE-SECRET-" + "KEY-1" + some(58, string.ascii_uppercase + string.digits)),
    ("jwt", "", jwt()),
    ("url-password", "postgres://", "app:" + some(12)),
    ("url-password", "redis://", ":" + some(12)),
    ("basic-auth", "Authorization: Basic ", base64.b64encode(b"me:" + some(12).encode()).decode()),
    ("bearer-token", '"authorization": "Bearer ', some(40, ALNUM + "_-")),
    ("api-key-header", "x-api-key: ", some(32)),
    ("private-key", "", pem()),
    ("private-key", "", pem("EC")),
    ("private-key", "", pem("OPENSSH")),
    ("private-key", "", pem("ENCRYPTED")),
    ("pgp-private-key", "", pem("PGP").replace("KEY-----", "KEY BLOCK-----")),
    (
        "putty-private-key",
        "",
        "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\nPublic-Lines: 1\n"
        + some(64)
        + "\nPrivate-Lines: 1\n"
        + some(64)
        + "\nPrivate-MAC: "
        + some(64, HEX),
    ),
]
AFTER = {"url-password": "@db.example.com/app"}


def test_every_kind_in_the_table_is_tried() -> None:
    assert {kind.name for kind in KINDS} | PRIVATE_KEYS == {kind for kind, _, _ in MADE}
    assert len({kind for kind, _, _ in MADE}) >= 60


@pytest.mark.parametrize(
    ("kind", "before", "secret"), MADE, ids=[f"{number}-{it[0]}" for number, it in enumerate(MADE)]
)
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "TOKEN={}\nOTHER=1\n",
        "+    key = '{}'  # ours\n",
        '{{"key": "{}", "n": 1}}',
        "({})",
        "<a>{}</a>",
        "é{}é",
        "line one\r\n{}\r\nline two",
        'print("one\\n\\t{}\\n")',
        '{{"text": "one\\\\n{}\\\\ntwo"}}',
        "\\u000a{}\\u000a",
        "q=1%0A{}%0A",
        "\x1b[1;31m{}\x1b[0m",
    ],
)
def test_a_secret_is_found_wherever_it_stands(kind: str, before: str, secret: str, around: str) -> None:
    text = around.format(f"{before}{secret}{AFTER.get(kind, '')}")

    told = redact(text)

    assert f"[redacted:{kind}]" in told
    assert secret not in told
    for line in secret.splitlines():
        assert line not in told or not line.strip("-")
    assert told.replace(f"[redacted:{kind}]", secret) == text
    assert has_placeholder(told)
    assert redact(told) == told


@pytest.mark.parametrize(("kind", "before", "secret"), MADE, ids=lambda it: str(it)[:12])
def test_a_prefix_alone_or_a_secret_cut_short_before_it_says_anything_is_none(
    kind: str, before: str, secret: str
) -> None:
    assert find(f"{before}{secret[:5]} ") == ()


QUIET = {
    "a commit": "fix in 77cfc87b51c88e0f61d4d8d7f4b9d9cbfb6cbb0e, see 8188e66",
    "a digest": hashlib.sha256(b"x").hexdigest(),
    "a digest with its name": "sha256:" + hashlib.sha256(b"x").hexdigest(),
    "an integrity": '"integrity": "sha512-' + base64.b64encode(hashlib.sha512(b"x").digest()).decode() + '"',
    "a pip hash": "    --hash=sha256:" + hashlib.sha256(b"y").hexdigest() + " \\",
    "a go sum": "golang.org/x/net v0.1.0 h1:" + base64.b64encode(hashlib.sha256(b"z").digest()).decode(),
    "uuids": " ".join(str(uuid.UUID(int=DICE.getrandbits(128))) for _ in range(20)),
    "data": base64.b64encode(bytes(range(256)) * 8).decode(),
    "a picture": "data:image/png;base64," + base64.b64encode(DICE.randbytes(600)).decode(),
    "a certificate": "-----BEGIN CERTIFICATE-----\n" + some(64) + "\n-----END CERTIFICATE-----",
    "a public key": "-----BEGIN PUBLIC KEY-----\n" + some(64) + "\n-----END PUBLIC KEY-----",
    "an ssh key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + some(43) + " me@example.com",
    "code that reads keys": (
        'BEGIN = "-----BEGIN PRIVATE KEY-----"\nEND = "-----END PRIVATE KEY-----"\n'
        "def is_key(text):\n    return text.startswith(BEGIN) and END in text\n"
    ),
    "code that writes keys": (
        'body = base64.b64encode(der).decode()\nreturn f"-----BEGIN PRIVATE KEY-----\\n{body}\\n-----END PRIVATE KEY-----"'
    ),
    "prose about keys": "A file that begins with -----BEGIN RSA PRIVATE KEY-----\nis a key in the PEM format.",
    "an address": "see https://example.com:8080/a@b and https://github.com/o/r.git and git@github.com:o/r.git",
    "a template": "postgres://app:${PASSWORD}@db/app mysql://{user}:{password}@host https://<user>:<token>@host",
    "an example": "postgres://user:password@localhost/db https://me:***@host https://you:xxxx@host",
    "words": "sk-learn-compatible-estimators and task-runner-for-large-repositories, risk-or-reward",
    "a class": ".sk-circle-fade-dot-animation-delay { } .sk-folding-cube-of-many-parts {}",
    "names": "whsec_ npm_config_registry npm_package_version hf_hub_download gsk_ pypi-publish key-value-store",
    "settings": "aws_secret_access_key = os.environ['AWS_SECRET_ACCESS_KEY']\nx-api-key: $ANTHROPIC_API_KEY",
    "documents": "export ANTHROPIC_API_KEY=sk-ant-xxxxxxxxxxxxxxxxxxxxxxxx\nOPENAI_API_KEY=sk-your-key-goes-here-please",
    "its own example": "AKIAIOSFODNN7EXAMPLE aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "headers": "Authorization: Bearer <token>\nauthorization: Basic $(cat file)\nBearer authentication-is-required-here",
    "dots": "self.assertEqual.call_args.some_attribute_of_a_long_name MODULE_NAME_OF_25_LETTERS.method.x",
    "a version": "pkg-1.2.3.dev4+g1234567.d20260101-cp311-cp311-manylinux_2_17_x86_64.whl",
    "a skew": "SKU SKIP_1234567890 SK8ER SKdeadbeef key-12345 dapi dp.st.x dop_v1_ shpat_ sq0atp- SG.x.y",
    "a lock": "\n".join(f'"resolved" "https://r.example/x/-/x-{n}.tgz#{some(40, HEX)}"' for n in range(20)),
}


@pytest.mark.parametrize("text", QUIET.values(), ids=QUIET)
def test_what_only_looks_like_a_secret_is_left_as_it_is(text: str) -> None:
    assert find(text) == ()
    assert redact(text) == text


def test_the_projects_own_source_holds_none() -> None:
    from pathlib import Path

    for file in sorted((Path(__file__).parents[1] / "src").rglob("*.py")):
        assert find(file.read_text()) == (), file


# --- in parts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quoted", [json.dumps, lambda text: json.dumps(json.dumps(text)), repr])
def test_a_key_whose_lines_are_escaped_is_found(quoted: object) -> None:
    key = pem("EC")
    text = f'{{"type": "service_account", "private_key": {quoted(key)}, "client_id": "1"}}'  # type: ignore[operator]

    told = redact(text)

    assert all(line not in told for line in key.splitlines()[1:-1])
    assert '"client_id": "1"' in told


@pytest.mark.parametrize("prefix", ["+", "-", " ", "> ", "    ", "   12 ", "| ", "# ", "// "])
def test_a_key_that_is_quoted_line_by_line_is_found(prefix: str) -> None:
    key = pem()
    text = "before\n" + "\n".join(prefix + line for line in key.splitlines()) + "\nafter"

    told = redact(text)

    assert all(line not in told for line in key.splitlines()[1:-1])
    assert told.startswith("before\n")
    assert told.endswith("\nafter")


def test_of_a_key_of_which_one_end_is_cut_off_nothing_is_left() -> None:
    lines = pem().splitlines()
    without_end = "\n".join(["x = 1", *lines[:-3], "def f():", "    return 1"])
    without_beginning = "\n".join(["x = 1", *lines[3:], "def f():"])

    assert redact(without_end) == "x = 1\n[redacted:private-key]def f():\n    return 1"
    for told in (redact(without_end), redact(without_beginning)):
        assert all(line not in told for line in lines[1:-1])
        assert told.startswith("x = 1\n")
        assert "def f():" in told


def test_two_keys_with_code_between_them_are_two() -> None:
    told = redact(f"A = '''{pem()}'''\nwanted = 1\nB = '''{pem('EC')}'''\n")

    assert told == "A = '''[redacted:private-key]'''\nwanted = 1\nB = '''[redacted:private-key]'''\n"


@pytest.mark.parametrize(
    "seam",
    [
        '" "',
        "' + '",
        '" \\\n    "',
        "'\n        '",
        '" +\n  "',
        '"\n    f"',
        "' rb'",
        '" . "',
        "` + `",
        "\\\n",
    ],
)
def test_a_secret_in_two_literals_side_by_side_is_found(seam: str) -> None:
    secret = "ghp" + "_" + some(36)
    quote = seam[0] if seam[0] in "'\"`" else '"'
    text = f"TOKEN = {quote}{secret[:20]}{seam}{secret[20:]}{quote}\nOTHER = 1\n"

    told = redact(text)

    assert secret[:20] not in told
    assert secret[20:] not in told
    assert told.endswith("OTHER = 1\n")


def test_the_wrapped_rest_of_a_long_secret_goes_with_it() -> None:
    secret = "sk-ant-" + "api03-" + some(93)
    text = f"your key:\n{secret[:70]}\n{secret[70:]}\nis not valid\n"

    assert redact(text) == "your key:\n[redacted:anthropic-key]\nis not valid\n"


def test_data_is_redacted_by_field_with_its_names() -> None:
    one, two = "ghp" + "_" + some(36), "ghp" + "_" + some(36)

    told = redact_all({one: [two, {"n": 1}], two: None, "x": f"a {one}"})

    assert told == {
        "[redacted:github-token]": ["[redacted:github-token]", {"n": 1}],
        "[redacted:github-token] 1": None,
        "x": "a [redacted:github-token]",
    }


# --- time --------------------------------------------------------------------------------------------------

LONG = 300_000
HARD = {
    **{f"{kind.name} begun again and again": kind.words[0] for kind in KINDS},
    **{f"{kind.name} as words": f"{kind.words[0]} " for kind in KINDS},
    **{f"{kind.name} almost": f"{kind.words[0]}{'a' * 15}." for kind in KINDS},
    **{f"{secret[:8]} almost": f"{before}{secret[:-1]}" for _, before, secret in MADE if len(secret) < 200},
    "one letter": "a",
    "digits": "7",
    "one word": "eyJ",
    "dots": "eyJhbGciOiJIUzI1.",
    "headers": "-----BEGIN PRIVATE KEY-----",
    "headers with lines": "-----BEGIN PRIVATE KEY-----\nabcd\n",
    "ends": "-----END PRIVATE KEY-----\n",
    "begin": "-----BEGIN ",
    "words of headers": "-----BEGIN A B C D E F G ",
    "dashes": "-",
    "lines": "\n",
    "base64 lines": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=\n",
    "addresses": "://a:",
    "address parts": "://" + "a" * 90 + ":" + "b" * 190,
    "literals": '"a" "b" ',
    "quotes": '"',
    "open literals": '" ',
    "continued": "\\\n ",
    "blanks": " ",
    "secret =": "aws_secret_access_key = ",
    "bearer": "bearer ",
    "putty": "PuTTY-User-Key-File-3: x\n",
}


@pytest.mark.parametrize("piece", HARD.values(), ids=HARD)
def test_a_long_text_made_to_be_slow_takes_its_time_by_length_only(piece: str) -> None:
    def seconds(length: int) -> float:
        text = piece * (length // len(piece) + 1)
        began = time.process_time()
        redact(text)
        return time.process_time() - began

    assert seconds(LONG) < 1.5  # a tenth of it as a rule; what grows by the square takes a minute
