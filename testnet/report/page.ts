/** The report as one HTML file that needs nothing else: no script, no font, no picture. */
import type { TestnetReport } from './collect.ts'
import { plot } from './plot.ts'

const STYLE = `
:root { color-scheme: light dark; --ink: light-dark(#1b1f24, #e6e8eb); --paper: light-dark(#fff, #15181c); --dim: light-dark(#59616b, #a4abb5); --line: light-dark(#d4d8dd, #3a4048); --good: light-dark(#0b6b3a, #6fd39a); --bad: light-dark(#a11414, #ff9d94); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem; color: var(--ink); background: var(--paper); font: 0.95rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 0.5rem; }
.verdict { font-weight: 600; } .good { color: var(--good); } .bad { color: var(--bad); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: start; padding: 0.25rem 0.75rem 0.25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: end; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 1rem; margin: 0; } dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 0.75rem 0; } figcaption { color: var(--dim); } svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: var(--dim); }
.grid { stroke: var(--line); } .mark { stroke: var(--bad); stroke-dasharray: 3 3; }
.key span { margin-inline-start: 1rem; } .key i { display: inline-block; width: 0.8em; height: 0.8em; margin-inline-end: 0.3em; border-radius: 2px; }
@media print { body { max-width: none; padding: 0; } }
`
const COLOURS = { done: '#1f7a8c', failed: '#c2410c', max: '#6d4aa3' }

/** @param title shown above, and by the browser */
export function reportPage(report: TestnetReport): string {
  const { scenario } = report
  const title = scenario === null ? `Testnet ${report.network.network}` : `Scenario ${scenario.id}`
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${safe(title)}</title><style>${STYLE}</style></head><body><main>
<h1>${safe(title)}</h1>
${scenario === null ? '' : verdict(scenario)}
<h2>Environment</h2>${environment(report)}
${scenario === null ? '' : `<h2>Invariants</h2>${invariants(scenario)}<h2>Steps</h2>${steps(scenario)}`}
${report.operations.length === 0 ? '' : `<h2>Load</h2>${load(report)}`}
<h2>Nodes</h2>${nodes(report)}
<h2>What was done</h2>${acts(report)}
</main></body></html>
`
}

type Scenario = NonNullable<TestnetReport['scenario']>

function verdict({ held, cause, title, tookMs }: Scenario): string {
  return `<p>${safe(title)}</p><p class="verdict ${held ? 'good' : 'bad'}">${held ? `Everything held, in ${seconds(tookMs)}.` : `It did not hold: ${safe(cause ?? '')}`}</p>`
}

function environment({ atMs, environment: { cores, processor, memoryBytes, node, platform }, network, scenario }: TestnetReport): string {
  return definitions([
    ['made', `${new Date(atMs).toISOString()}`],
    ['machine', `${cores} cores (${processor}), ${(memoryBytes / 1e9).toFixed(1)} GB of memory, ${platform}, Node ${node}`],
    ['network', `${network.validators} validators, ${network.full} full nodes; chain ${network.chainId}`],
    ['seed', String(scenario?.seed ?? network.seed)],
    ...(scenario === null
      ? []
      : [
          [
            'chosen by the seed',
            Object.entries(scenario.chosen)
              .map(pair => pair.join(': '))
              .join(', ') || 'nobody',
          ] as const,
        ]),
  ])
}

function invariants({ invariants: all }: Scenario): string {
  if (all.length === 0) return '<p>They were not judged to the end.</p>'
  return table(
    ['invariant', 'held', 'seen'],
    all.map(({ name, held, note }) => [safe(name), mark(held), safe(note)]),
  )
}

function steps({ steps: all }: Scenario): string {
  return table(
    ['at', 'took', 'step', 'held', 'seen'],
    all.map(({ atMs, tookMs, kind, what, held, note }) => [
      seconds(atMs),
      seconds(tookMs),
      safe(`${kind} ${what}`),
      mark(held),
      safe(note),
    ]),
    [0, 1],
  )
}

function load({ operations, scenario }: TestnetReport): string {
  const per = scenario?.load?.seconds ?? []
  const startedMs = scenario?.load?.startedMs ?? 0
  const marks = (scenario?.steps ?? [])
    .filter(({ kind }) => kind === 'do')
    .map(({ atMs }) => Math.round(((scenario?.startedMs ?? 0) + offsetOf(scenario) + atMs - startedMs) / 1000))
  const ms = (value: number | null): string => (value === null ? '-' : String(value))
  const rows = operations.map(({ operation, done, failed, p50, p95, p99, max }) => [
    operation,
    String(done),
    Object.entries(failed)
      .map(([code, n]) => `${n} ${safe(code)}`)
      .join(', ') || '0',
    ...[p50, p95, p99, max].map(ms),
  ])
  return [
    plot(
      'Operations',
      'each second',
      [
        { name: 'done', colour: COLOURS.done, values: per.map(({ done }) => done) },
        { name: 'failed', colour: COLOURS.failed, values: per.map(({ failed }) => failed) },
      ],
      marks,
    ),
    plot(
      'Longest latency',
      'ms, of what was done in each second',
      [{ name: 'longest', colour: COLOURS.max, values: per.map(({ done, maxMs }) => (done === 0 ? null : maxMs)) }],
      marks,
    ),
    table(['operation', 'done', 'failed', 'p50, ms', 'p95, ms', 'p99, ms', 'longest, ms'], rows, [1, 3, 4, 5, 6]),
    `<p>Latencies count from the moment at which an operation was due. Dashed lines: something was done to the network.</p>`,
  ].join('')
}

/** When the steps began, in ms after the scenario: its end less the last step's. */
function offsetOf(scenario: TestnetReport['scenario']): number {
  const last = scenario?.steps.at(-1)
  return last === undefined || scenario === null ? 0 : Math.max(0, scenario.tookMs - last.atMs - last.tookMs)
}

function nodes({ nodes: all }: TestnetReport): string {
  return table(
    ['node', 'organisation', 'role', 'memory, MB', 'CPU, s'],
    all.map(({ id, name, jurisdiction, role, rssBytes, cpuMs }) => [
      id,
      safe(`${name} (${jurisdiction})`),
      role,
      rssBytes === null ? 'does not run' : (rssBytes / 1e6).toFixed(0),
      cpuMs === null ? '-' : (cpuMs / 1000).toFixed(1),
    ]),
    [3, 4],
  )
}

function acts({ acts: all }: TestnetReport): string {
  if (all.length === 0) return '<p>Nothing.</p>'
  return table(
    ['when', 'what', 'took', 'outcome'],
    all.map(({ atMs, what, tookMs, error }) => [
      new Date(atMs).toISOString(),
      safe(what),
      seconds(tookMs),
      error === null ? 'done' : safe(error),
    ]),
    [2],
  )
}

function mark(held: boolean): string {
  return `<span class="${held ? 'good' : 'bad'}">${held ? 'yes' : 'no'}</span>`
}

function definitions(pairs: readonly (readonly [string, string])[]): string {
  return `<dl>${pairs.map(([name, value]) => `<dt>${safe(name)}</dt><dd>${safe(value)}</dd>`).join('')}</dl>`
}

/** @param numeric columns that are set to the end of their cells */
function table(head: readonly string[], rows: readonly (readonly string[])[], numeric: readonly number[] = []): string {
  const cell =
    (tag: string) =>
    (text: string, i: number): string =>
      `<${tag}${tag === 'th' ? ' scope="col"' : ''}${numeric.includes(i) ? ' class="n"' : ''}>${text}</${tag}>`
  return `<div class="wide" tabindex="0" role="group" aria-label="table of ${head[0]}"><table><thead><tr>${head.map(cell('th')).join('')}</tr></thead><tbody>${rows.map(row => `<tr>${row.map(cell('td')).join('')}</tr>`).join('')}</tbody></table></div>`
}

function seconds(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`
}

function safe(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
