import type { NetworkView } from '../../../gateway/network-view.ts'
import type { Say } from '../app.tsx'
import { heightsOf } from '../state.ts'

export function Summary({ view, say }: { view: NetworkView; say: Say }) {
  const { lowest, highest } = heightsOf(view.nodes)
  const sample = view.samples.at(-1)
  const minute = view.blocks.filter(({ seenMs }) => seenMs > view.nowMs - 60_000).length
  const validators = view.nodes.filter(({ role }) => role === 'validator')
  const good = validators.filter(({ state }) => state === 'ok').length
  const lights = view.lights.reduce((sum, { count }) => sum + count, 0)
  const tiles: [string, string][] = [
    [say('height'), lowest === highest ? String(highest) : `${lowest}–${highest}`],
    [say('blocksPerMinute'), String(minute)],
    [say('throughput'), sample === undefined ? '–' : sample.transactionsPerSecond.toFixed(1)],
    [say('latency'), sample?.commitP50Ms == null ? '–' : `${Math.round(sample.commitP50Ms)} ms`],
    [say('validators'), `${good} / ${validators.length}`],
    [say('lights'), String(lights)],
  ]
  return (
    <dl class="tiles">
      {tiles.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd dir="ltr">{value}</dd>
        </div>
      ))}
    </dl>
  )
}
