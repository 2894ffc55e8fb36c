"""What looks like a secret: names and contents that must not get into a store by accident.

Looked at are small files only, and each file once for every change of it. The forms of tokens are
those that their issuers publish for scanners; a long enough body with too few different characters
(``ghp_xxxxxxxx…``) is a placeholder.
"""

import re
from collections.abc import Callable

LOOKED_AT = 1_000_000
"""Files of this many bytes or more are not read."""

_FEWEST_CHARACTERS = 8  # a made-up token in a text has fewer different ones

# None of these is compiled before it is needed: most snapshots need none.
_PRIVATE_KEY = (
    rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
    rb"(?:\\r|\\n|\s)*(?:[A-Za-z-]+: [^\n]*\s+)*"
    rb"(?:[A-Za-z0-9+/=]|\\r|\\n|\s){40}"
)
# The piece of text that must be there makes the search quick: finding it costs no regex.
_TOKENS = (
    ("an AWS access key", b"AKIA", rb"\bAKIA([0-9A-Z]{16})\b"),
    ("an AWS access key", b"ASIA", rb"\bASIA([0-9A-Z]{16})\b"),
    ("a GitHub token", b"ghp_", rb"\bghp_([A-Za-z0-9]{36,})\b"),
    ("a GitHub token", b"gho_", rb"\bgho_([A-Za-z0-9]{36,})\b"),
    ("a GitHub token", b"ghs_", rb"\bghs_([A-Za-z0-9]{36,})\b"),
    ("a GitHub token", b"ghu_", rb"\bghu_([A-Za-z0-9]{36,})\b"),
    ("a GitHub token", b"ghr_", rb"\bghr_([A-Za-z0-9]{36,})\b"),
    ("a GitHub token", b"github_pat_", rb"\bgithub_pat_([A-Za-z0-9_]{22,})"),
    ("a GitLab token", b"glpat-", rb"\bglpat-([A-Za-z0-9_-]{20,})"),
    ("a Slack token", b"xox", rb"\bxox[abeoprs]-([A-Za-z0-9-]{10,})"),
    ("a Hugging Face token", b"hf_", rb"\bhf_([A-Za-z0-9]{30,})\b"),
    ("an Anthropic key", b"sk-ant-", rb"\bsk-ant-([A-Za-z0-9_-]{20,})"),
    ("an OpenAI key", b"sk-", rb"\bsk-((?:proj-)?[A-Za-z0-9_]{40,})"),
    ("a Google API key", b"AIza", rb"\bAIza([0-9A-Za-z_-]{35})"),
    ("a Stripe key", b"k_live_", rb"\b[sr]k_live_([0-9A-Za-z]{20,})"),
    ("a PyPI token", b"pypi-AgE", rb"\bpypi-(AgE[A-Za-z0-9_-]{50,})"),
    ("an npm token", b"npm_", rb"\bnpm_([A-Za-z0-9]{36})\b"),
)
_ASSIGNED_SECRET = (
    rb"(?im)^[ \t]*(?:export[ \t]+)?"
    rb"\w*(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)\w*"
    rb"[ \t]*=[ \t]*[\"']?(?![<$]|your|change|example|xxx)[^\s\"'#]{8,}"
)
_DOT_ENV = r"\.env(?:\.(?!example$|sample$|template$|dist$|defaults?$)[^.]+)?"
_KEY_FILE = r"id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?"


def _holds(*needles: bytes) -> Callable[[bytes], bool]:
    return lambda content: any(needle in content for needle in needles)


_NAMED: dict[str, tuple[str, Callable[[bytes], bool]]] = {
    "credentials.json": ("credentials", _holds(b"key", b"secret", b"token", b"password")),
    ".netrc": ("passwords", _holds(b"password")),
    "_netrc": ("passwords", _holds(b"password")),
    ".pypirc": ("a password", _holds(b"password")),
    ".npmrc": ("an npm token", _holds(b"_authToken=", b"_password=", b"_auth=")),
    ".git-credentials": ("passwords", _holds(b"@")),
    "credentials": ("AWS keys", _holds(b"aws_secret_access_key")),
}


def kind(name: str, content: bytes) -> str | None:
    """Return what a file seems to hold, in a few words; None when it looks harmless.

    Args:
        name: the last part of its path.
        content: all of it.

    >>> kind("id_rsa", b"")
    'a private key'
    >>> kind("notes.txt", b"nothing here") is None
    True
    """
    return _by_name(name, content) or _by_content(content)


def _by_name(name: str, content: bytes) -> str | None:
    if re.fullmatch(_KEY_FILE, name):
        return "a private key"
    if re.fullmatch(_DOT_ENV, name) and re.search(_ASSIGNED_SECRET, content):
        return "secrets of an environment"
    what, holds = _NAMED.get(name, ("", None))
    return what if holds and holds(content) else None


def _by_content(content: bytes) -> str | None:
    if b"PRIVATE KEY" in content and re.search(_PRIVATE_KEY, content):
        return "a private key"
    for what, needle, pattern in _TOKENS:
        if needle in content and any(map(_is_real, re.finditer(pattern, content))):
            return what
    return None


def _is_real(match: re.Match[bytes]) -> bool:
    body = match[1]
    return len(set(body)) >= _FEWEST_CHARACTERS and not body.endswith(b"EXAMPLE")
