import { useEffect, useMemo, useReducer, useState } from 'preact/hooks'
import type { NetworkView, ViewEvent } from '../../gateway/network-view.ts'
import { type Access, act as doAct, FeedError, listen } from './feed.ts'
import { Blocks } from './parts/blocks.tsx'
import { Charts } from './parts/charts.tsx'
import { Dht } from './parts/dht.tsx'
import { Events } from './parts/events.tsx'
import { Faults } from './parts/faults.tsx'
import { Fragments } from './parts/fragments.tsx'
import { Nodes } from './parts/nodes.tsx'
import { Summary } from './parts/summary.tsx'
import { Topology } from './parts/topology.tsx'
import { Votes } from './parts/votes.tsx'
import { apply } from './state.ts'
import { LANGUAGES, type Language, languageOf, type Text } from './texts.ts'

export type Say = (text: Text) => string

function reduce(view: NetworkView | null, change: { view: NetworkView } | { event: ViewEvent }): NetworkView | null {
  if ('view' in change) return change.view
  return view === null ? null : apply(view, change.event)
}

export function App({ access }: { access: Access }) {
  const [view, change] = useReducer(reduce, null)
  const [lost, setLost] = useState<string | null>('connecting')
  const [language, setLanguage] = useState<Language>(() => languageOf(navigator.languages))
  const [chosen, setChosen] = useState<readonly string[]>([])
  const [told, setTold] = useState('')
  const say: Say = useMemo(() => text => LANGUAGES[language].texts[text], [language])

  useEffect(() => {
    const stop = new AbortController()
    void listen(access, { view: next => change({ view: next }), event: event => change({ event }), lost: setLost }, stop.signal)
    return () => stop.abort()
  }, [access])
  useEffect(() => {
    document.documentElement.lang = language
    document.documentElement.dir = LANGUAGES[language].dir
    document.title = view === null ? say('title') : `${say('title')} ${view.network}`
  }, [language, say, view?.network])

  const toggle = (id: string): void => setChosen(all => (all.includes(id) ? all.filter(each => each !== id) : [...all, id]))
  const act = async (what: object, words: string): Promise<void> => {
    try {
      await doAct(access, what)
      setTold(`${say('done')}: ${words}`)
    } catch (error) {
      setTold(`${say('refused')}: ${words} (${error instanceof FeedError ? error.code : 'unreachable'})`)
    }
  }

  return (
    <>
      <header>
        <h1>
          {say('title')} {view === null ? '' : <span class="network">{view.network}</span>}
          {view?.source === 'testnet' ? <span class="tag">{say('testnet')}</span> : null}
        </h1>
        <p role="status" class={lost === null ? 'live' : 'lost'}>
          {lost === null ? say('live') : `${say('lost')} (${lost})`}
        </p>
        <label>
          {say('language')}{' '}
          <select value={language} onChange={event => setLanguage(event.currentTarget.value as Language)}>
            {Object.entries(LANGUAGES).map(([code, { name }]) => (
              <option key={code} value={code} lang={code}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </header>
      <main>
        {view === null ? (
          <p>{lost === 'unauthorized' || lost === 'token-needed' ? say('token-needed') : say('nothing')}</p>
        ) : (
          <>
            <Summary view={view} say={say} />
            <div class="columns">
              <Topology view={view} say={say} chosen={chosen} toggle={toggle} />
              <Charts view={view} say={say} language={language} />
            </div>
            {view.canAct ? <Faults view={view} say={say} chosen={chosen} toggle={toggle} act={act} told={told} /> : null}
            <Nodes view={view} say={say} chosen={chosen} />
            <Votes view={view} say={say} />
            <div class="columns">
              <Blocks view={view} say={say} />
              <Events view={view} say={say} />
            </div>
            <div class="columns">
              <Fragments access={access} say={say} />
              <Dht view={view} say={say} />
            </div>
          </>
        )}
      </main>
    </>
  )
}
