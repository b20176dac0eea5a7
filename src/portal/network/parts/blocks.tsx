import type { NetworkView } from '../../../gateway/network-view.ts'
import type { Say } from '../app.tsx'
import { Table } from './table.tsx'

const SHOWN = 12

export function Blocks({ view, say }: { view: NetworkView; say: Say }) {
  const name = (account: string): string =>
    view.nodes.find(node => node.account === account || node.id === account)?.name ?? account.slice(0, 8)
  return (
    <section aria-labelledby="blocks">
      <h2 id="blocks">{say('blocks')}</h2>
      {view.blocks.length === 0 ? (
        <p>{say('nothing')}</p>
      ) : (
        <Table
          name={say('blocks')}
          head={[say('height'), say('time'), say('proposer'), say('round'), say('transactions'), say('bytes')]}
          numeric={[0, 3, 4, 5]}
          rows={view.blocks
            .slice(-SHOWN)
            .reverse()
            .map(block => [
              block.conflict ? (
                <strong class="tone bad">
                  {block.height} {say('conflict')}
                </strong>
              ) : (
                block.height
              ),
              new Date(block.timeMs).toISOString().slice(11, 23),
              name(block.proposer),
              block.round,
              block.transactions,
              `${(block.bytes / 1000).toFixed(1)} kB`,
            ])}
        />
      )}
    </section>
  )
}
