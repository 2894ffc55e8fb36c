"""The environment variables of a step's process: clean, repeatable, and known in full."""

from collections.abc import Mapping

from runproj.model import EMPTY
from runproj.plan.command import resolve_symbols
from runproj.plan.plan import PlannedStep

# What a step gets from the caller unasked: who and where it is, and how it reaches the network.
PASSED = (
    "HOME", "USER", "LOGNAME", "TERM", "LANG",
    "http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy",
    "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
)  # fmt: skip

# Files of this machine, which are not there in a container.
_LOCAL = frozenset({"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"})

# What makes runs repeatable. The epoch is 2000-01-01: a date that build tools accept.
REPEATABLE = {
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "SOURCE_DATE_EPOCH": "946684800",
    "PYTHONNOUSERSITE": "1",
    "PYTHONUNBUFFERED": "1",
}


def process_variables(
    step: PlannedStep,
    *,
    environment: Mapping[str, str],
    caller: Mapping[str, str],
    about: Mapping[str, str],
    run_id: str,
    workspace: str,
    perturbed: Mapping[str, str] = EMPTY,
) -> dict[str, str]:
    """Return the variables of a step's process but secrets; what is declared for the step wins.

    Args:
        step: the step.
        environment: what its environment sets, PATH among them.
        caller: the caller's variables; only few of them are passed on.
        about: what tells the process about the run (``RUNPROJ_…``, ``TMPDIR``).
        run_id: replaces the symbol in declared values.
        workspace: replaces the symbol in declared values.
        perturbed: other values of what must not matter.
    """
    variables = {name: caller[name] for name in PASSED if name in caller}
    variables |= REPEATABLE
    variables |= environment
    variables |= about
    variables |= perturbed
    for name, text in step.pass_env.items():
        if text is not None:
            # an environment's own programs come first, whatever the caller's PATH is
            first = environment.get("PATH") if name == "PATH" else None
            variables[name] = f"{first}:{text}" if first else text
    for name, text in step.env.items():
        variables[name] = resolve_symbols(text, run_id, workspace)
    return variables


def elsewhere(caller: Mapping[str, str]) -> dict[str, str]:
    """Return what of the caller's variables says something in a container, too."""
    return {name: text for name, text in caller.items() if name not in _LOCAL}
