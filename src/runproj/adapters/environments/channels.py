"""Fetching archives from conda channels, with the credentials of an auth file.

The file is the one that tools on top of rattler share (``RATTLER_AUTH_FILE``)::

    {"host.example": {"BearerToken": "…"},
     "*.example.org": {"BasicHTTP": {"username": "…", "password": "…"}},
     "conda.example": {"CondaToken": "…"}}
"""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runproj.adapters.environments.fetching import Fetcher, Words
from runproj.errors import EnvironmentFailed


class ChannelFetcher(Fetcher):
    """Fetches files of channels."""

    words = Words(
        "the channel",
        "the channel removed it: 'runproj lock --upgrade' takes what is there",
        "check the network and the proxy variables",
        "check the credentials of the channel, in a file that RATTLER_AUTH_FILE names",
    )

    def __init__(self, caller: Mapping[str, str]) -> None:
        """Read the settings of a caller, from these variables."""
        super().__init__(caller, {})
        self.known = auth_file(caller)

    def authorised(self, request: urllib.request.Request) -> urllib.request.Request:
        """Add the credentials for an address; a redirect elsewhere does not get them."""
        parts = urllib.parse.urlsplit(request.full_url)
        entry = next((self.known[one] for one in _hosts(parts) if one in self.known), {})
        if parts.scheme in ("http", "https"):
            if "CondaToken" in entry and not parts.path.startswith("/t/"):
                path = f"/t/{entry['CondaToken']}{parts.path}"
                request.full_url = urllib.parse.urlunsplit(parts._replace(path=path))
            if "BearerToken" in entry:
                request.add_unredirected_header("Authorization", f"Bearer {entry['BearerToken']}")
        return super().authorised(request)

    def _user_of(self, url: str, parts: urllib.parse.SplitResult) -> tuple[str, str] | None:
        entry = next((self.known[one] for one in _hosts(parts) if one in self.known), None)
        if entry is None:
            return super()._user_of(url, parts)
        basic = entry.get("BasicHTTP")
        return None if basic is None else (basic.get("username", ""), basic.get("password", ""))


def auth_file(caller: Mapping[str, str]) -> Mapping[str, Mapping[str, Any]]:
    """Return host → credentials of the auth file; nothing where there is none.

    Raises:
        EnvironmentFailed: it cannot be read.
    """
    place = caller.get("RATTLER_AUTH_FILE")
    if not place:
        return {}
    try:
        data = json.loads(Path(place).read_bytes())
        return {str(host): entry for host, entry in data.items() if isinstance(entry, dict)}
    except (OSError, ValueError, AttributeError) as error:
        why = getattr(error, "strerror", None) or "it is no JSON that maps hosts to credentials"
        raise EnvironmentFailed(
            f"the auth file cannot be read: {why}", where=place, hint="see RATTLER_AUTH_FILE"
        ) from None  # the error may show what is in it


def _hosts(parts: urllib.parse.SplitResult) -> Iterator[str]:
    """Yield the names under which credentials for a host may stand, the nearest first."""
    host = parts.hostname or ""
    if parts.port is not None:
        yield f"{host}:{parts.port}"
    yield host
    labels = host.split(".")
    for index in range(len(labels)):
        yield ".".join(["*", *labels[index:]])
