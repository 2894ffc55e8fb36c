"""runproj: declare a project once, run it anywhere, rerun any past run exactly."""

from runproj.version import VERSION as __version__  # noqa: N811 -- the usual name

__all__ = ["__version__"]
