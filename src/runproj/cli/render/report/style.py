"""How reports look: on a large screen, on a phone, in the dark, on paper."""

STYLE = """\
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 1.15rem; margin: 34px 0 10px; padding-bottom: 5px; border-bottom: 1px solid
var(--line); }
h3 { font-size: 1rem; margin: 0 0 6px; }
p { margin: 6px 0; }
small { color: var(--faint); font-size: .86em; font-weight: 400; }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
font-size: .88em; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; margin: 6px 0;
padding: 9px 11px; max-height: 26em; overflow: auto; white-space: pre-wrap; }
nav { display: flex; flex-wrap: wrap; gap: 4px 14px; margin: 12px 0 0; font-size: .93em; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
.status { display: inline-block; border: 1.5px solid; border-radius: 999px; padding: 0 9px;
font-size: .82rem; font-weight: 600; white-space: nowrap; color: var(--faint);
vertical-align: middle; }
td .status { padding: 0 7px; font-size: .78rem; }
.succeeded, .cached, .identical, .equivalent { color: var(--green); }
.failed, .different { color: var(--red); }
.skipped, .interrupted, .cannot { color: var(--yellow); }
.running { color: var(--blue); }
.status.cached { border-style: dashed; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 3px 16px;
margin: 12px 0; }
dt { color: var(--faint); }
dd { margin: 0; }
.scroll { overflow-x: auto; margin: 6px 0; }
.scroll svg { max-width: none; }
table { border-collapse: collapse; font-size: .9em; overflow-wrap: normal; }
th, td { text-align: left; vertical-align: top; padding: 4px 14px 4px 0; border-bottom: 1px solid
var(--line); }
td { white-space: nowrap; }
td.long { white-space: normal; overflow-wrap: anywhere; min-width: 13em; max-width: 36em; }
th { color: var(--faint); font-weight: 600; white-space: nowrap; }
td.number, table.data td { font-variant-numeric: tabular-nums; }
table.data { font-size: .82em; }
tr.best td { background: var(--best); }
.charts { display: grid; gap: 14px; align-items: start; margin: 10px 0;
grid-template-columns: repeat(auto-fill, minmax(min(100%, 430px), 1fr)); }
.charts > svg, .wide { border: 1px solid var(--line); border-radius: 8px; width: 100%; }
article { border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px 8px;
margin: 10px 0; }
img { display: block; max-width: 100%; height: auto; max-height: 34em; object-fit: contain;
background: #ffffff; border: 1px solid var(--line); border-radius: 4px; margin: 6px 0; }
details { margin: 6px 0; }
summary { cursor: pointer; }
.packages { columns: 15em; font-size: .88em; }
.packages div { break-inside: avoid; }
.error { color: var(--red); }
.lines { white-space: pre-wrap; }
footer { margin: 44px 0 10px; color: var(--faint); font-size: .86em; }
@media (max-width: 560px) {
body { padding: 12px; }
dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
dd { margin-bottom: 7px; }
article { padding: 8px 10px 6px; }
}
@media print {
:root { color-scheme: light; }
body { max-width: none; padding: 0; font-size: 11px; }
nav { display: none; }
pre { max-height: none; }
.scroll { overflow: visible; }
.scroll svg { max-width: 100%; }
details::details-content { content-visibility: visible; display: block; height: auto; }
article, .charts > svg, tr { break-inside: avoid; }
h2 { break-after: avoid; }
}
"""
