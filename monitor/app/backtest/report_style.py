"""The look of the reports: one sheet, set into each page."""

STYLE = """
:root { --ink: #1b2330; --soft: #5b6675; --rule: #dfe4ea; --paper: #fff; --bad: #c4452d; --good: #2d7d46;
        --mark: #1f5fbf }
* { box-sizing: border-box }
body { margin: 0; background: #f4f6f8; color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif }
main { max-width: 1060px; margin: 0 auto; padding: 28px 24px 60px }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 4px } h2 { font-size: 17px; margin: 0 0 10px }
section { background: var(--paper); border: 1px solid var(--rule); border-radius: 8px;
          padding: 18px 22px; margin-top: 16px }
.facts { color: var(--soft); margin: 0 } code { font: 13px ui-monospace, "Cascadia Mono", Menlo, monospace }
.changes code { display: inline-block; background: #eef2f7; border-radius: 4px; padding: 2px 8px; margin: 6px 6px 0 0 }
.summary p { font-size: 16px; margin: 0 0 8px } .summary p:last-child { margin: 0 }
.verdict { border-left: 6px solid var(--good) } .verdict.blocked { border-left-color: var(--bad) }
.verdict.overridden { border-left-color: #b7791f } .strong { font-weight: 650 }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin-top: 16px }
.tile { background: var(--paper); border: 1px solid var(--rule); border-radius: 8px; padding: 12px 16px }
.tile b { display: block; font-size: 26px; line-height: 1.2; font-variant-numeric: tabular-nums }
.tile > span { color: var(--soft) } .tile .was { font-size: 15px; color: var(--soft); font-weight: 400 }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th { text-align: left; color: var(--soft); font-weight: 600; font-size: 13px; padding: 4px 10px 6px 0;
     border-bottom: 1px solid var(--rule); vertical-align: bottom }
td { padding: 5px 10px 5px 0; border-bottom: 1px solid #eef1f4; vertical-align: top }
tr:last-child td { border-bottom: 0 } .n { text-align: right; white-space: nowrap } .nowrap { white-space: nowrap }
.total td { font-weight: 650 } .plus { color: var(--mark); fill: var(--mark) }
.minus { color: var(--bad); fill: var(--bad) }
.soft { color: var(--soft); font-size: 13px } svg { width: 100%; height: auto; display: block }
svg text { font: 12px system-ui, "Segoe UI", Roboto, sans-serif; fill: var(--soft) } svg .name { fill: var(--ink) }
svg .minus { fill: var(--bad) } svg .plus { fill: var(--mark) }
svg .grid { stroke: #e8ecf0 } svg .axis { stroke: #9aa5b1 }
.legend { color: var(--soft); font-size: 13px; margin: 8px 0 0 }
.key { display: inline-block; width: 11px; height: 11px;
       border-radius: 2px; margin: 0 5px 0 14px; vertical-align: -1px }
.key:first-child { margin-left: 0 }
.scroll { overflow-x: auto }
@media print { body { background: #fff } section, .tile { break-inside: avoid } main { padding: 0 } }
"""
