"""runproj: declare a project once, run it anywhere, rerun any past run exactly.

What stands here is for programs of users: in a step, they tell of themselves; anywhere, they look
at runs. The names are there when they are asked for, for starting is on the path of every command.
"""

from typing import TYPE_CHECKING, Any

from runproj.version import VERSION as __version__  # noqa: N811 -- the usual name

if TYPE_CHECKING:
    from runproj._client import (
        infer_signature,
        input_path,
        log_artifact,
        log_artifacts,
        log_dict,
        log_figure,
        log_metric,
        log_metrics,
        log_model,
        log_param,
        log_params,
        log_text,
        output_path,
        set_tag,
        set_tags,
        start_run,
    )
    from runproj._models import load_model
    from runproj.frames import runs

    params: dict[str, Any]

__all__ = [
    "__version__",
    "infer_signature",
    "input_path",
    "load_model",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_figure",
    "log_metric",
    "log_metrics",
    "log_model",
    "log_param",
    "log_params",
    "log_text",
    "output_path",
    "params",
    "runs",
    "set_tag",
    "set_tags",
    "start_run",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- any of the names above
    if name in __all__:
        from runproj import _client  # noqa: PLC0415 -- lazy

        return getattr(_client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
