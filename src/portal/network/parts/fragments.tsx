import { useState } from 'preact/hooks'
import type { RecordView } from '../../../gateway/network-view.ts'
import type { Say } from '../app.tsx'
import { type Access, askRecord, FeedError } from '../feed.ts'
import { Table } from './table.tsx'

/** Which custodian, in which country, holds what of a submission. */
export function Fragments({ access, say }: { access: Access; say: Say }) {
  const [record, setRecord] = useState<RecordView | null>(null)
  const [problem, setProblem] = useState('')
  const ask = async (root: string): Promise<void> => {
    setProblem('')
    try {
      setRecord(await askRecord(access, root))
    } catch (error) {
      setRecord(null)
      setProblem(error instanceof FeedError && error.code !== 'not-found' ? error.code : say('not-found'))
    }
  }
  return (
    <section aria-labelledby="fragments">
      <h2 id="fragments">{say('fragments')}</h2>
      <p class="help">{say('fragmentsHelp')}</p>
      <form
        onSubmit={event => {
          event.preventDefault()
          void ask(String(new FormData(event.currentTarget).get('root')).trim().toLowerCase())
        }}
      >
        <label>
          {say('root')} <input name="root" required pattern="[0-9A-Fa-f]{64}" spellcheck={false} autocomplete="off" dir="ltr" />
        </label>
        <button type="submit">{say('show')}</button>
      </form>
      <p role="alert" class="tone bad">
        {problem}
      </p>
      {record === null ? null : (
        <Table
          name={say('fragments')}
          head={['#', say('custodian'), say('country'), say('holds')]}
          numeric={[0]}
          rows={record.fragments.map(({ index, name, jurisdiction, holds }) => [
            index,
            name,
            jurisdiction,
            <span class={`tone ${holds === 'yes' ? 'good' : holds === 'no' ? 'bad' : 'off'}`}>{say(holds)}</span>,
          ])}
        />
      )}
    </section>
  )
}
