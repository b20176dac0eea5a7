import { useMemo } from 'preact/hooks'
import type { NetworkView } from '../../../gateway/network-view.ts'
import type { Say } from '../app.tsx'
import { layout } from '../layout.ts'
import { toneOf } from '../state.ts'

const SIZE = { width: 640, height: 420, margin: 48 }
const LIGHT_DOTS = 12

export function Topology({
  view,
  say,
  chosen,
  toggle,
}: {
  view: NetworkView
  say: Say
  chosen: readonly string[]
  toggle: (id: string) => void
}) {
  const ids = view.nodes.map(({ id }) => id)
  const key = ids.join()
  const pairs = useMemo(() => ids.flatMap((a, i) => ids.slice(i + 1).map(b => [a, b] as const)), [key])
  const places = useMemo(() => new Map(layout(ids, ids.length > 40 ? [] : pairs, SIZE).map(place => [place.id, place])), [key])
  const links = new Map(view.links.flatMap(link => [[`${link.from} ${link.to}`, link] as const]))
  return (
    <section aria-labelledby="topology">
      <h2 id="topology">{say('topology')}</h2>
      <p class="help">{say('topologyHelp')}</p>
      <svg viewBox={`0 0 ${SIZE.width} ${SIZE.height}`} class="topology" dir="ltr">
        <title>{say('topology')}</title>
        {pairs.map(([a, b]) => {
          const [from, to] = [places.get(a), places.get(b)]
          if (from === undefined || to === undefined) return null
          const both = [links.get(`${a} ${b}`), links.get(`${b} ${a}`)]
          const isCut = both.some(link => link !== undefined && link.state !== 'open' && link.state !== 'unknown')
          const isSlow = both.some(link => link !== undefined && (link.delayMs > 0 || link.loss > 0))
          return <line key={`${a} ${b}`} class={isCut ? 'cut' : isSlow ? 'slow' : ''} x1={from.x} y1={from.y} x2={to.x} y2={to.y} />
        })}
        {view.nodes.map(node => {
          const place = places.get(node.id)
          if (place === undefined) return null
          const lights = view.lights.find(each => each.node === node.id)?.count ?? 0
          const short = node.id.length > 12 ? node.name.slice(0, 18) : node.id
          const name = `${node.name}, ${node.state}. `
          return (
            // biome-ignore lint/a11y/useSemanticElements: there is no button within a drawing
            <g
              key={node.id}
              role="button"
              tabindex={0}
              aria-pressed={chosen.includes(node.id)}
              class={`node ${toneOf(node)} ${node.role}`}
              transform={`translate(${place.x} ${place.y})`}
              onClick={() => toggle(node.id)}
              onKeyDown={event => {
                if (event.key !== 'Enter' && event.key !== ' ') return
                event.preventDefault()
                toggle(node.id)
              }}
            >
              <title>{name}</title>
              {Array.from({ length: Math.min(LIGHT_DOTS, lights) }, (_, i) => (
                <circle
                  key={i}
                  class="light"
                  r="3"
                  cx={34 * Math.cos((2 * Math.PI * i) / LIGHT_DOTS)}
                  cy={34 * Math.sin((2 * Math.PI * i) / LIGHT_DOTS)}
                />
              ))}
              {node.role === 'validator' ? (
                <circle class="shape" r="24" />
              ) : (
                <rect class="shape" x="-20" y="-20" width="40" height="40" rx="4" />
              )}
              <text y="-1">{node.jurisdiction}</text>
              <text y="13" class="small">
                {node.height}
              </text>
              <text y="52" class="name">
                {short}
              </text>
            </g>
          )
        })}
      </svg>
    </section>
  )
}
