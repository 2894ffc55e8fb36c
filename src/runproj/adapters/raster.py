"""Pictures of dots from drawings, by resvg (extra ``runproj[plot]``)."""

from functools import cache

from runproj.errors import UsageError

_ZOOM = 2.0  # two dots a pixel, for the screens of today
_PROBE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="30" font-family="{}">'
    '<text x="5" y="20">{}</text></svg>'
)


def png(svg: str, fonts: str) -> bytes:
    """Return an SVG as a PNG.

    Args:
        svg: the drawing.
        fonts: the families of its texts, as CSS has them.

    Raises:
        UsageError: resvg is not installed, or the machine has none of the fonts.
    """
    try:
        from resvg_py import svg_to_bytes  # noqa: PLC0415 -- an extra
    except ImportError as error:
        raise UsageError(
            "a PNG needs resvg, which is not installed",
            hint="pip install 'runproj[plot]', or write an SVG: -o FILE.svg",
        ) from error
    if not _has(fonts):  # resvg leaves out a text for which it has no font
        raise UsageError(
            "a PNG needs a font, and this machine has none that is known",
            hint="install one (Debian: fonts-dejavu-core), or write an SVG: -o FILE.svg",
        )
    return svg_to_bytes(svg_string=svg, zoom=_ZOOM)


@cache
def _has(fonts: str) -> bool:
    """Tell whether this machine has one of these fonts."""
    from resvg_py import svg_to_bytes  # noqa: PLC0415 -- as above

    drawn, empty = (svg_to_bytes(svg_string=_PROBE.format(fonts, text)) for text in ("abc", ""))
    return drawn != empty
