import type { NetworkView } from '../../../gateway/network-view.ts'
import type { Say } from '../app.tsx'
import { toneOf } from '../state.ts'
import { Table } from './table.tsx'

/** All nodes, or those that were chosen. */
export function Nodes({ view, say, chosen }: { view: NetworkView; say: Say; chosen: readonly string[] }) {
  const shown = chosen.length === 0 ? view.nodes : view.nodes.filter(({ id }) => chosen.includes(id))
  return (
    <section aria-labelledby="nodes">
      <h2 id="nodes">{say('node')}</h2>
      <Table
        name={say('node')}
        head={[
          say('node'),
          say('organisation'),
          say('role'),
          say('state'),
          say('height'),
          say('behind'),
          say('memory'),
          say('cpu'),
          say('findings'),
          say('faults'),
        ]}
        numeric={[4, 5, 6, 7]}
        rows={shown.map(node => [
          node.id.slice(0, 12),
          `${node.name} (${node.jurisdiction})`,
          say(node.role),
          <span class={`tone ${toneOf(node)}`}>{node.state}</span>,
          node.height,
          node.behind,
          node.rssBytes === null ? '–' : `${Math.round(node.rssBytes / 1e6)} MB`,
          node.cpuShare === null ? '–' : `${Math.round(node.cpuShare * 100)} %`,
          node.findings.join(', ') || say('none'),
          node.faults.join(', ') || say('none'),
        ])}
      />
    </section>
  )
}
