// The report's one style sheet: readable on a phone, in light and in dark, and on paper.

/** A contender's colour, the same in every chart; those that are not known share the last. */
const colours: Readonly<Record<string, readonly [light: string, dark: string]>> = {
  bytes: ['#0b6bcb', '#58a6ff'],
  'bytes-streams': ['#4c8fd6', '#9cc9ff'],
  undici: ['#6f42c1', '#b392f0'],
  'go-queue-proxy': ['#0e8a8a', '#39c5cf'],
  nginx: ['#2f7d32', '#7ee787'],
  haproxy: ['#a8680b', '#e3b341'],
  'http-proxy': ['#b3261e', '#ff7b72'],
  direct: ['#6b7280', '#8b949e'],
  other: ['#9c3587', '#f778ba'],
}

/** Class of a contender's marks. */
export function colourOf(contender: string): string {
  return `c-${Object.hasOwn(colours, contender) ? contender : 'other'}`
}

const rules = (which: 0 | 1): string =>
  Object.entries(colours)
    .map(([name, pair]) => `.c-${name}{--c:${pair[which]}}`)
    .join('')

export const style = `
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--paper:#fff;--card:#f6f8fa;--rule:#d0d7de}
${rules(0)}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9198a1;--paper:#0d1117;--card:#161b22;--rule:#30363d}${rules(1)}}
*{box-sizing:border-box}
body{margin:0 auto;padding:16px;max-width:1240px;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;line-height:1.25;margin:.2em 0}
h2{font-size:1.2rem;margin:2em 0 .5em;border-bottom:1px solid var(--rule);padding-bottom:.2em}
h3{font-size:1rem;margin:0 0 .1em}
p{max-width:75ch}
.soft,figcaption{color:var(--soft);font-size:.875rem}
.summary{font-size:1.05rem}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:14px}
figure{margin:0;padding:12px;background:var(--card);border:1px solid var(--rule);border-radius:8px}
figcaption{margin-bottom:8px}
svg{display:block;width:100%;height:auto;max-width:520px}
svg text{font:13px system-ui,sans-serif;fill:var(--ink)}
svg text.figure{font-variant-numeric:tabular-nums}
svg text.small{font-size:11px;fill:var(--soft)}
.track{fill:var(--rule);opacity:.45}
.fill{fill:var(--c);opacity:.8}
.whisker{stroke:var(--ink);stroke-width:1.5;fill:none}
svg path.grid{stroke:var(--rule);stroke-width:1;fill:none}
.line{stroke:var(--c);stroke-width:2;fill:none;stroke-linejoin:round}
.c-undici.line{stroke-dasharray:7 3}
.c-bytes-streams.line{stroke-dasharray:5 2}
.c-haproxy.line{stroke-dasharray:2 3}
.c-http-proxy.line{stroke-dasharray:9 3 2 3}
.c-direct.line{stroke-dasharray:1 4}
.wide{overflow-x:auto;margin:.5em 0 1em}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
th,td{padding:4px 10px 4px 0;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule)}
th.words,td.words{text-align:left}
th{color:var(--soft);font-weight:600;vertical-align:bottom}
td:last-child{padding-right:0}
details{margin:.4em 0}
summary{cursor:pointer}
.warn{border-left:4px solid #d29922;padding:.3em .8em;background:var(--card)}
a{color:inherit}
a.button{display:inline-block;padding:.5em 1em;border:1px solid var(--rule);border-radius:6px;background:var(--card);text-decoration:none}
dl{display:grid;grid-template-columns:minmax(7em,max-content) 1fr;gap:2px 14px;font-size:.875rem}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
@media print{figure{break-inside:avoid}details{display:block}}
`
