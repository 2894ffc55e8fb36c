"""The tools that are measured, each in a virtual environment of its own, and the machine."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PEERS = ("doit", "snakemake", "dvc", "mlflow", "ninja")
_REPOSITORY = Path(__file__).resolve().parents[2]
_NOT_PASSED = (
    "CONDA", "DVC", "GIT_", "MLFLOW", "PYTHON", "RUNPROJ", "SNAKEMAKE", "VIRTUAL_ENV", "XDG_",
    "CI", "GITHUB_",
)  # fmt: skip


class Tools:
    """What is installed below a scratch folder, and the variables of everything that is run."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.base = str(Path(sys.executable).resolve())
        self.python = self.program("bare", "python")
        self.uv = _uv()
        self.versions: dict[str, str] = {}

    @property
    def minor(self) -> str:
        """The version of Python that all use, ``3.11``."""
        return ".".join(platform.python_version_tuple()[:2])

    @property
    def variables(self) -> dict[str, str]:
        """The environment of every measured process: nobody's settings, nothing is reported."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED)
        }
        home = self.scratch / "home"
        return kept | {
            "HOME": str(home), "XDG_CONFIG_HOME": f"{home}/.config",
            "XDG_CACHE_HOME": f"{home}/.cache", "XDG_DATA_HOME": f"{home}/.local/share",
            "XDG_STATE_HOME": f"{home}/.local/state", "UV_CACHE_DIR": f"{self.scratch}/uv",
            "UV_PYTHON_PREFERENCE": "only-system", "UV_NO_PROGRESS": "1",
            "PATH": os.pathsep.join((str(self._programs), os.environ["PATH"])),
            "DO_NOT_TRACK": "1", "DVC_NO_ANALYTICS": "1", "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db", "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C.UTF-8",
        }  # fmt: skip

    @property
    def _programs(self) -> Path:
        return self.scratch / "programs"

    def program(self, tool: str, name: str | None = None) -> str:
        """Return the path of a program in the environment of a tool; default: the tool."""
        return str(self.scratch / "venvs" / tool / "bin" / (name or tool))

    def install(self, peers: Sequence[str]) -> None:
        """Install runproj from this checkout, and peers where they are not there already.

        All are compiled to bytecode: otherwise a first start would be one that compiles.
        """
        self._programs.mkdir(parents=True, exist_ok=True)
        home = self.scratch / "home"
        home.mkdir(exist_ok=True)
        identity = "[user]\n\tname = Nobody\n\temail = nobody@example.org\n[gc]\n\tauto = 0\n"
        (home / ".gitconfig").write_text(identity, encoding="utf-8")
        for name, target in {"uv": self.uv, "python": self.base}.items():
            link = self._programs / name
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        for tool in ("bare", "runproj", *peers):
            if not Path(self.program(tool, "python")).exists():
                self._uv("venv", "--python", self.base, str(self.scratch / "venvs" / tool))
            if tool == "bare":
                continue
            if tool == "runproj":
                self._add(tool, str(_REPOSITORY), "--reinstall-package", "runproj")
            elif not Path(self.program(tool)).exists():
                self._add(tool, tool)
            self.versions[tool] = self._version(tool)

    def _add(self, tool: str, *what: str) -> None:
        into = ("--python", self.program(tool, "python"))
        self._uv("pip", "install", "--compile-bytecode", *into, *what)

    def _uv(self, *arguments: str) -> None:
        subprocess.run([self.uv, *arguments, "--quiet"], check=True)

    def _version(self, tool: str) -> str:
        code = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
        command = [self.program(tool, "python"), "-c", code, tool]
        return said(command)


def said(command: Sequence[str]) -> str:
    """Return what a command prints, "" where it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def machine(tools: Tools) -> dict[str, object]:
    """Return what the measurements depend on: machine, operating system and versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 1e9, 1),
        "os": f"{_system()}, {platform.system()} {platform.release()}",
        "file_system": said(["stat", "-f", "-c", "%T", str(tools.scratch)]),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
        "commit": said(["git", "-C", str(_REPOSITORY), "rev-parse", "--short", "HEAD"]),
        "versions": {
            **tools.versions,
            "uv": said([tools.uv, "--version"]).split()[1],
            "git": said(["git", "--version"]).split()[2],
        },
    }


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        sys.exit("error: there is no uv\n\nhint: install it, it makes the tools' environments")
    return found


def _cpu() -> str:
    place = Path("/proc/cpuinfo")
    lines = place.read_text(encoding="utf-8").splitlines() if place.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.platform()
