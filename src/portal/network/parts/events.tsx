import type { NetworkView } from '../../../gateway/network-view.ts'
import type { Say } from '../app.tsx'

const SHOWN = 40

/** What happened, and what was done, the newest first. */
export function Events({ view, say }: { view: NetworkView; say: Say }) {
  const name = (id: string): string => view.nodes.find(node => node.id === id || node.account === id)?.id.slice(0, 12) ?? id.slice(0, 8)
  const lines = [
    ...view.log.map(({ atMs, node, level, text, code }) => ({
      atMs,
      tone: level === 'error' ? 'bad' : level === 'warn' ? 'warn' : '',
      text: `${name(node)}: ${text}`,
      code,
    })),
    ...view.acts.map(({ atMs, what, error }) => ({ atMs, tone: 'done', text: what, code: error ?? '' })),
  ]
    .sort((a, b) => b.atMs - a.atMs)
    .slice(0, SHOWN)
  return (
    <section aria-labelledby="events">
      <h2 id="events">{say('events')}</h2>
      {lines.length === 0 ? <p>{say('nothing')}</p> : null}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard (WCAG 2.1.1) */}
      <ol class="events" tabIndex={0} aria-labelledby="events">
        {lines.map(({ atMs, tone, text, code }, i) => (
          <li key={`${atMs} ${i}`}>
            <time dateTime={new Date(atMs).toISOString()}>{new Date(atMs).toISOString().slice(11, 19)}</time>{' '}
            <span class={`tone ${tone}`}>{text}</span> <small>{code}</small>
          </li>
        ))}
      </ol>
    </section>
  )
}
