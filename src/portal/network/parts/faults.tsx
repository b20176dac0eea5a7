import type { NetworkView } from '../../../gateway/network-view.ts'
import type { Say } from '../app.tsx'

/** As testnet/faults has them. */
const LIES = ['equivocate', 'withhold', 'forge', 'stale', 'lie-fragments', 'poison-dht'] as const

interface FaultsProps {
  view: NetworkView
  say: Say
  chosen: readonly string[]
  toggle: (id: string) => void
  act: (what: object, words: string) => Promise<void>
  told: string
}

export function Faults({ view, say, chosen, toggle, act, told }: FaultsProps) {
  const isNone = chosen.length === 0
  const each = async (make: (node: string) => object, words: string): Promise<void> => {
    for (const node of chosen) await act(make(node), `${words}, ${node}`)
  }
  const verb = (name: 'pause' | 'resume' | 'kill' | 'start') => (
    <button key={name} type="button" disabled={isNone} onClick={() => void each(node => ({ verb: name, node }), say(name))}>
      {say(name)}
    </button>
  )
  return (
    <section aria-labelledby="faults">
      <h2 id="faults">{say('break')}</h2>
      <fieldset class="chosen">
        <legend>{isNone ? say('chooseNodes') : `${say('chosen')}: ${chosen.join(', ')}`}</legend>
        {view.nodes.map(({ id }) => (
          <label key={id}>
            <input type="checkbox" checked={chosen.includes(id)} onChange={() => toggle(id)} /> {id}
          </label>
        ))}
      </fieldset>
      <div class="buttons">
        <button type="button" disabled={isNone} onClick={() => void act({ verb: 'partition', groups: [[...chosen]] }, say('cutOff'))}>
          {say('cutOff')}
        </button>
        {(['pause', 'resume', 'kill', 'start'] as const).map(verb)}
        <button type="button" disabled={isNone} onClick={() => void each(node => ({ verb: 'clock', node, ms: 90_000 }), say('clock'))}>
          {say('clock')}
        </button>
        <button type="button" disabled={isNone} onClick={() => void each(node => ({ verb: 'clock', node, ms: 0 }), say('clockRight'))}>
          {say('clockRight')}
        </button>
        <button type="button" disabled={isNone} onClick={() => void each(node => ({ verb: 'disk-full', node }), say('diskFull'))}>
          {say('diskFull')}
        </button>
        <button
          type="button"
          disabled={isNone}
          onClick={() => void each(node => ({ verb: 'disk-full', node, full: false }), say('diskRoom'))}
        >
          {say('diskRoom')}
        </button>
        <label>
          {say('lie')}{' '}
          <select
            disabled={isNone}
            value=""
            onChange={event => {
              const mode = event.currentTarget.value
              event.currentTarget.value = ''
              void each(node => ({ verb: 'byzantine', node, mode: mode === 'honest' ? null : mode }), mode)
            }}
          >
            <option value="" disabled>
              …
            </option>
            {LIES.map(mode => (
              <option key={mode} value={mode}>
                {mode}
              </option>
            ))}
            <option value="honest">{say('honest')}</option>
          </select>
        </label>
        <button type="button" onClick={() => void act({ verb: 'delay', ms: 100 }, say('slow'))}>
          {say('slow')}
        </button>
        <button type="button" class="mend" onClick={() => void act({ verb: 'heal' }, say('heal'))}>
          {say('heal')}
        </button>
      </div>
      <p role="status" class="told">
        {told}
      </p>
    </section>
  )
}
