/** What the page knows of the network: the view that it was given, and what came after it, event by event. */
import { type NetworkView, type RoundView, VIEW_BOUNDS, type ViewEvent } from '../../gateway/network-view.ts'

/** Newest items of a list, within its bound. */
function newest<T>(list: readonly T[], item: T, bound: number): T[] {
  return [...list, item].slice(-bound)
}

/** The view after an event. `gap` is for who reads: it changes nothing here. */
export function apply(view: NetworkView, event: ViewEvent): NetworkView {
  switch (event.type) {
    case 'block': {
      const others = view.blocks.filter(({ height }) => height !== event.block.height)
      const blocks = [...others, event.block].sort((a, b) => a.height - b.height).slice(-VIEW_BOUNDS.blocks)
      return { ...view, blocks, nowMs: Math.max(view.nowMs, event.block.seenMs) }
    }
    case 'round': {
      const same = ({ height, round }: RoundView): boolean => height === event.round.height && round === event.round.round
      const rounds = [...view.rounds.filter(each => !same(each)), event.round].sort((a, b) => a.height - b.height || a.round - b.round)
      return { ...view, rounds: rounds.slice(-VIEW_BOUNDS.rounds) }
    }
    case 'nodes':
      return { ...view, nodes: event.nodes }
    case 'links':
      return { ...view, links: event.links }
    case 'lights':
      return { ...view, lights: event.lights }
    case 'dht':
      return { ...view, dht: event.dht }
    case 'sample':
      return { ...view, samples: newest(view.samples, event.sample, VIEW_BOUNDS.samples), nowMs: Math.max(view.nowMs, event.sample.atMs) }
    case 'act':
      return { ...view, acts: newest(view.acts, event.act, VIEW_BOUNDS.acts) }
    case 'log':
      return { ...view, log: newest(view.log, event.line, VIEW_BOUNDS.log) }
    case 'gap':
      return view
  }
}

export type Tone = 'good' | 'warn' | 'bad' | 'off'

/** How it stands with a node, in one word for its colour: a lie or a halt is bad, a lag is not. */
export function toneOf(node: NetworkView['nodes'][number]): Tone {
  if (node.state === 'stopped' || node.state === 'paused') return 'off'
  if (node.state === 'halted' || node.state === 'diverged' || node.reachable === false) return 'bad'
  if (node.state !== 'ok' && node.state !== 'unknown') return 'warn'
  return node.behind > 2 || node.faults.length > 0 ? 'warn' : 'good'
}

/** One height where all nodes are at it, else from the lowest to the highest. */
export function heightsOf(nodes: NetworkView['nodes']): { lowest: number; highest: number } {
  const heights = nodes.filter(({ state }) => state !== 'stopped').map(({ height }) => height)
  return heights.length === 0 ? { lowest: 0, highest: 0 } : { lowest: Math.min(...heights), highest: Math.max(...heights) }
}
