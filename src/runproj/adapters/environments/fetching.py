"""Fetching files from package indexes: proxies, certificates, credentials, second attempts.

The settings are uv's, as far as they concern downloads:
https://docs.astral.sh/uv/reference/environment/
"""

import base64
import http.client
import itertools
import netrc
import re
import ssl
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from runproj.adapters.environments.archives import Incoming, Wanted
from runproj.adapters.environments.keyrings import Keyring
from runproj.adapters.environments.offline import ONCE, WITHOUT, is_offline
from runproj.errors import EnvironmentFailed
from runproj.lock.pylock import without_credentials
from runproj.version import VERSION

_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_DENIED = frozenset({401, 403, 407})
_GONE = frozenset({404, 410})
_WITH_USER = re.compile(r"https?://[^/\s\"'@]+@[^\s\"'\]]+")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_LONGEST_S = 10.0
_CHUNK = 1 << 18
# Where systems have their certificates, for a Python that was built elsewhere.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
)  # fmt: skip
_SHOWN_INDEX = re.compile(r"UV_(?:DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS)")


class Credential(NamedTuple):
    """Who may read what is below an address."""

    below: str
    user: str
    password: str


class Words(NamedTuple):
    """How messages call the place where files come from, and what a person can do there."""

    place: str = "the package index"
    gone: str = "the index removed it: 'runproj lock --upgrade' takes what is there"
    unreachable: str = "check the network, the proxy variables and uv's index settings"
    denied: str = (
        "check user and password of the index: in its URL, UV_INDEX_*, a netrc file, or "
        "the keyring (UV_KEYRING_PROVIDER=subprocess)"
    )


class Fetcher:
    """Fetches files, with the settings of a caller."""

    words = Words()

    def __init__(self, caller: Mapping[str, str], declared: Mapping[str, str]) -> None:
        """Read the settings.

        ``caller`` are the caller's variables; ``declared`` is path → text of what was declared,
        which may name indexes; ``${NAME}`` in it stands for a variable.
        """
        texts = [expanded(text, caller) for text in declared.values()]
        texts += _configuration(caller)
        self.credentials = tuple(_credentials(caller, texts))
        self.netrc = _netrc(caller)
        self.keyring = Keyring(caller, texts)
        self.offline = is_offline(caller)
        self.timeout_s = float(_number(caller.get("UV_HTTP_TIMEOUT"), 30))
        self.attempts = 1 + _number(caller.get("UV_HTTP_RETRIES"), 3)
        context = _context(caller)
        self.opener = urllib.request.build_opener(
            _Proxies(_proxies(caller), caller.get("no_proxy") or caller.get("NO_PROXY") or ""),
            urllib.request.HTTPSHandler(context=context),
            _Redirects(self),
        )

    def fetch(self, wanted: Wanted, incoming: Incoming) -> None:
        """Write what is at an address into a file; what may be a passing trouble is tried again.

        Raises:
            EnvironmentFailed: it is gone, nobody lets us in, or nobody answers.
        """
        url = wanted.url or ""
        remote = not url.startswith("file:")
        if self.offline and remote:
            raise _unreachable(wanted, WITHOUT, self.words._replace(unreachable=ONCE))
        for attempt in range(1, self.attempts + 1):
            wait_s = min(0.5 * 2**attempt, _LONGEST_S)
            try:
                incoming.restart()
                self._fetch_once(url, incoming)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code in _TRANSIENT and attempt < self.attempts:
                    after = error.headers.get("Retry-After")
                    incoming.pause(min(_number(after, 0), _LONGEST_S) or wait_s)
                    continue
                raise _refused(wanted, error, self.words) from error
            except (OSError, http.client.HTTPException) as error:
                if isinstance(error, InterruptedError):
                    raise
                why = getattr(error, "reason", error)
                if isinstance(why, FileNotFoundError) or (not remote):
                    raise _gone(wanted, self.words) from error
                if attempt < self.attempts and not isinstance(why, ssl.SSLCertVerificationError):
                    incoming.pause(wait_s)
                    continue
                raise _unreachable(wanted, str(why), self.words) from error
            else:
                return

    def _fetch_once(self, url: str, incoming: Incoming) -> None:
        request = self.authorised(urllib.request.Request(_without_fragment(url)))  # noqa: S310 -- what a lock names
        with self.opener.open(request, timeout=self.timeout_s) as answer:
            expected = answer.headers.get("Content-Length")
            while chunk := answer.read(_CHUNK):
                incoming.write(chunk)
        if expected is not None and incoming.written != _number(expected, incoming.written):
            raise http.client.IncompleteRead(b"")

    def authorised(self, request: urllib.request.Request) -> urllib.request.Request:
        """Add user and password for an address; a redirect elsewhere does not get them."""
        parts = urllib.parse.urlsplit(request.full_url)
        found = self._user_of(request.full_url, parts)
        if parts.username is not None:
            bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
            request.full_url = urllib.parse.urlunsplit(bare)
        if found is not None and parts.scheme in ("http", "https"):
            request.add_unredirected_header("Authorization", _basic(*found))
        request.add_header("User-Agent", f"runproj/{VERSION}")
        request.add_header("Accept-Encoding", "identity")
        return request

    def headers(self, url: str) -> dict[str, str]:
        """Return settings of git that let it read a repository; none where git has to know."""
        parts = urllib.parse.urlsplit(url)
        found = None
        if parts.scheme in ("http", "https"):
            found = self._user_of(url, parts)
        if found is None:
            return {}
        host = parts.netloc.rpartition("@")[2]
        key = f"http.{parts.scheme}://{host}/.extraHeader"
        return {key: f"Authorization: {_basic(*found)}"}

    def _user_of(self, url: str, parts: urllib.parse.SplitResult) -> tuple[str, str] | None:
        """Return user and password for an address: from URLs and variables, netrc, the keyring."""
        below, user, password = _bare(parts), "", ""
        if parts.username is not None:
            user, password = _unquoted(parts)
        else:
            same = [one for one in self.credentials if _origin(one.below) == _origin(url)]
            if same:
                # the nearest address, and of those the one with a password
                below, user, password = max(
                    same, key=lambda one: (_shared(one.below, url), bool(one.password))
                )
        if password:
            return user, password
        known = self.netrc.authenticators(parts.hostname or "") if self.netrc else None
        if known and user in ("", known[0]):
            return known[0], known[2] or ""
        kept = self.keyring.password(below, url, user)
        return (user, kept or "") if user or kept else None


class _Proxies(urllib.request.ProxyHandler):
    """Goes through proxies, but for the hosts that the caller excepts."""

    def __init__(self, proxies: dict[str, str], excepted: str) -> None:
        super().__init__(proxies)
        self.excepted = excepted

    def proxy_open(
        self,
        req: urllib.request.Request,
        proxy: str,
        type: str,  # noqa: A002 -- the library's own
    ) -> Any:  # noqa: ANN401 -- the library's own
        excepted = urllib.request.proxy_bypass_environment  # type: ignore[attr-defined] # it is there
        if excepted(req.host, {"no": self.excepted}):
            return None
        return super().proxy_open(req, proxy, type)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, with the credentials of where they lead."""

    def __init__(self, fetcher: Fetcher) -> None:
        self.fetcher = fetcher

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str,
        headers: http.client.HTTPMessage, newurl: str,
    ) -> urllib.request.Request | None:  # fmt: skip
        if not newurl.startswith(("http://", "https://")):
            return None
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        return None if new is None else self.fetcher.authorised(new)


def expanded(text: str, caller: Mapping[str, str]) -> str:
    """Put variables into a text as uv and pip do; what is not set stays.

    >>> expanded("https://${USER}:${PASS}@host", {"USER": "me"})
    'https://me:${PASS}@host'
    """
    return _VARIABLE.sub(lambda found: caller.get(found[1], found[0]), text)


def _credentials(caller: Mapping[str, str], configured: Sequence[str]) -> Iterator[Credential]:
    """Yield the users and passwords that the settings name, each with its address."""
    texts = [text for name, text in caller.items() if _SHOWN_INDEX.fullmatch(name)]
    for text in [*texts, *configured]:
        for url in _WITH_USER.findall(text):
            parts = urllib.parse.urlsplit(url)
            yield Credential(_bare(parts), *_unquoted(parts))
    named = dict(_named_in_variables(texts))
    for text in configured:
        named |= dict(_named_in_toml(text))
    for name, url in named.items():
        key = "UV_INDEX_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
        user, password = caller.get(f"{key}_USERNAME"), caller.get(f"{key}_PASSWORD")
        if user is not None or password is not None:
            yield Credential(_bare(urllib.parse.urlsplit(url)), user or "", password or "")


def _named_in_variables(texts: list[str]) -> Iterator[tuple[str, str]]:
    for word in " ".join(texts).split():
        name, equals, url = word.partition("=")
        if equals and "://" not in name:
            yield name, url


def _named_in_toml(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and address of the indexes that uv's settings name."""
    if "index" not in text:
        return
    try:
        read: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # a requirement file
    own = read.get("tool", {}).get("uv", {}) if "tool" in read else read
    for one in own.get("index", ()) if isinstance(own, dict) else ():
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            yield one["name"], str(one.get("url", ""))


def _configuration(caller: Mapping[str, str]) -> Iterator[str]:
    """Yield the texts of uv's settings of the user and of the machine."""
    own = caller.get("XDG_CONFIG_HOME") or f"{caller.get('HOME', '')}/.config"
    given = caller.get("UV_CONFIG_FILE")
    for path in [given] if given else [f"{own}/uv/uv.toml", "/etc/uv/uv.toml"]:
        try:
            yield Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue


def _netrc(caller: Mapping[str, str]) -> netrc.netrc | None:
    place = caller.get("NETRC") or f"{caller.get('HOME', '')}/.netrc"
    try:
        return netrc.netrc(place)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None


def _proxies(caller: Mapping[str, str]) -> dict[str, str]:
    """Return scheme → proxy of the caller's variables; lower case counts first."""
    found = {}
    for scheme in ("http", "https"):
        for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"):
            if caller.get(name):
                found[scheme] = caller[name]
                break
    return found


def _context(caller: Mapping[str, str]) -> ssl.SSLContext:
    file, folder = caller.get("SSL_CERT_FILE"), caller.get("SSL_CERT_DIR")
    known = ssl.get_default_verify_paths()
    if not (file or folder or known.cafile or known.capath):
        file = next((one for one in _BUNDLES if Path(one).exists()), None)
    try:
        context = ssl.create_default_context(cafile=file or None, capath=folder or None)
        if caller.get("SSL_CLIENT_CERT"):
            context.load_cert_chain(caller["SSL_CLIENT_CERT"])
    except (OSError, ssl.SSLError) as error:
        raise EnvironmentFailed(
            f"the certificates cannot be read: {error}", where=file or folder,
            hint="check SSL_CERT_FILE, SSL_CERT_DIR and SSL_CLIENT_CERT",
        ) from error  # fmt: skip
    return context


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdigit() else default


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _shared(a: str, b: str) -> int:
    """Return how many parts two addresses have in common."""
    pairs = zip(a.split("/"), b.split("/"), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _bare(parts: urllib.parse.SplitResult) -> str:
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _unquoted(parts: urllib.parse.SplitResult) -> tuple[str, str]:
    unquote = urllib.parse.unquote
    return unquote(parts.username or ""), unquote(parts.password or "")


def _without_fragment(url: str) -> str:
    return url.partition("#")[0]


def _named(wanted: Wanted) -> str:
    return f"{wanted.package} ({wanted.name})"


def _gone(wanted: Wanted, words: Words) -> EnvironmentFailed:
    return EnvironmentFailed(
        f"a file that the lock names is gone: {_named(wanted)}",
        where=without_credentials(wanted.url or ""),
        hint=words.gone,
    )


def _unreachable(wanted: Wanted, why: str, words: Words) -> EnvironmentFailed:
    return EnvironmentFailed(
        f"{words.place} cannot be reached for {_named(wanted)}: {why}",
        where=without_credentials(wanted.url or ""),
        hint=words.unreachable,
    )


def _refused(wanted: Wanted, error: urllib.error.HTTPError, words: Words) -> EnvironmentFailed:
    if error.code in _GONE:
        return _gone(wanted, words)
    if error.code in _DENIED:
        return EnvironmentFailed(
            f"{words.place} does not let us in for {_named(wanted)}: {error.code}",
            where=without_credentials(wanted.url or ""),
            hint=words.denied,
        )
    return _unreachable(wanted, f"{error.code} {error.reason}", words)
