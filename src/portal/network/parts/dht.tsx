import type { NetworkView } from '../../../gateway/network-view.ts'
import type { Say } from '../app.tsx'
import { Table } from './table.tsx'

export function Dht({ view, say }: { view: NetworkView; say: Say }) {
  const name = (id: string): string => view.nodes.find(node => node.id === id || node.account === id)?.id.slice(0, 12) ?? id.slice(0, 8)
  return (
    <section aria-labelledby="dht">
      <h2 id="dht">{say('dht')}</h2>
      {view.dht.length === 0 ? (
        <p>{say('nothing')}</p>
      ) : (
        <Table
          name={say('dht')}
          head={[say('node'), say('servers'), say('routingTable'), say('provided'), say('lookups')]}
          numeric={[1, 2, 3, 4]}
          rows={view.dht.map(each => [name(each.node), each.servers, each.routingTable, each.provided, each.lookups])}
        />
      )}
    </section>
  )
}
