import type { NetworkView, VoteSeen } from '../../../gateway/network-view.ts'
import type { Say } from '../app.tsx'
import { Table } from './table.tsx'

const SHOWN = 12
const SIGNS: Readonly<Record<VoteSeen, string>> = { block: '●', nil: '○', none: '·' }

export function Votes({ view, say }: { view: NetworkView; say: Say }) {
  const rounds = view.rounds.slice(-SHOWN)
  const validators = view.nodes.filter(({ role }) => role === 'validator')
  return (
    <section aria-labelledby="votes">
      <h2 id="votes">{say('votes')}</h2>
      <p class="help">{say('votesHelp')}</p>
      {rounds.length === 0 ? (
        <p>{say('nothing')}</p>
      ) : (
        <Table
          name={say('votes')}
          head={[say('validator'), ...rounds.map(({ height, round }) => (round === 0 ? String(height) : `${height}/${round}`))]}
          rows={validators.map(({ id, name, account }) => [
            id.length > 12 ? name : id,
            ...rounds.map(each => {
              const vote = each.votes.find(({ validator }) => validator === account || validator === id)
              const sign = `${SIGNS[vote?.prevote ?? 'none']}${SIGNS[vote?.precommit ?? 'none']}`
              const isProposer = each.proposer !== '' && (each.proposer === account || each.proposer === id)
              return <span class={`vote ${isProposer ? 'proposer' : ''}`}>{sign}</span>
            }),
          ])}
        />
      )}
    </section>
  )
}
