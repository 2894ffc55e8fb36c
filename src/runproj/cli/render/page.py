"""A page that stands alone: no network, no script, nothing that a hostile text could become."""

import base64
import hashlib

from runproj.cli.render.escaping import safe

STYLE = """\
:root { color-scheme: light dark; --ink: #1f2328; --faint: #59636e; --line: #d8dee4;
--paper: #ffffff; --panel: #f6f8fa; --link: #0a57c2; --green: #1a7f37; --red: #c5221f;
--yellow: #9a6700; --blue: #0a57c2; --best: #fff4c7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --faint: #9198a1; --line: #333a42;
--paper: #0d1117; --panel: #161b22; --link: #6cb0ff; --green: #4cc364; --red: #ff7b72;
--yellow: #dba524; --blue: #6cb0ff; --best: #3a2f08; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0 auto; padding: 16px; max-width: 1120px; background: var(--paper);
color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif;
overflow-wrap: anywhere; }
svg { display: block; max-width: 100%; height: auto; }
"""


def page(title: str, body: str, style: str = "") -> str:
    """Return an HTML document.

    Its policy allows its own style sheet, by its digest, and pictures that are in it: a script is
    not executed, and nothing is asked of any network.

    Args:
        title: any text.
        body: HTML of ours.
        style: CSS besides that of all pages.
    """
    sheet = f"\n{STYLE}{style}"
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{safe(title)}</title>
<style>{sheet}</style>
</head>
<body>
{body}</body>
</html>
"""
