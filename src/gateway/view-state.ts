/** A view of a network, event by event: the same on the side that makes events and on the side that reads them. */
import { type BlockView, type NetworkView, type RoundView, VIEW_BOUNDS, type ViewEvent } from './network-view.ts'

export function emptyView(about: Pick<NetworkView, 'source' | 'network' | 'chainId' | 'canAct'>): NetworkView {
  const lists = { nodes: [], lights: [], links: [], blocks: [], rounds: [], samples: [], acts: [], log: [], dht: [] }
  return { schemaVersion: 1, ...about, nowMs: 0, ...lists }
}

/** The view after an event. The view that is given stays as it is. */
export function applyEvent(view: NetworkView, event: ViewEvent): NetworkView {
  switch (event.type) {
    case 'block':
      return { ...view, blocks: withBlock(view.blocks, event.block) }
    case 'round':
      return { ...view, rounds: withRound(view.rounds, event.round) }
    case 'nodes':
      return { ...view, nodes: event.nodes.slice(0, VIEW_BOUNDS.nodes) }
    case 'links':
      return { ...view, links: event.links }
    case 'lights':
      return { ...view, lights: event.lights }
    case 'dht':
      return { ...view, dht: event.dht }
    case 'sample':
      return { ...view, samples: [...view.samples, event.sample].slice(-VIEW_BOUNDS.samples) }
    case 'act':
      return { ...view, acts: [...view.acts, event.act].slice(-VIEW_BOUNDS.acts) }
    case 'log':
      return { ...view, log: [...view.log, event.line].slice(-VIEW_BOUNDS.log) }
    case 'gap':
      return view
  }
}

/** Blocks ascending by height, each height once: what is said later of a height stands. */
function withBlock(blocks: readonly BlockView[], block: BlockView): BlockView[] {
  const at = blocks.findLastIndex(({ height }) => height <= block.height)
  const replaces = blocks[at]?.height === block.height
  return blocks.toSpliced(replaces ? at : at + 1, replaces ? 1 : 0, block).slice(-VIEW_BOUNDS.blocks)
}

/** Rounds ascending by height and round; those of the newest heights. */
function withRound(rounds: readonly RoundView[], round: RoundView): RoundView[] {
  const order = (other: RoundView): number => other.height - round.height || other.round - round.round
  const at = rounds.findLastIndex(other => order(other) <= 0)
  const replaces = at >= 0 && order(rounds[at] as RoundView) === 0
  const all = rounds.toSpliced(replaces ? at : at + 1, replaces ? 1 : 0, round)
  const newest = all.at(-1)?.height ?? 0
  return all.filter(({ height }) => height > newest - VIEW_BOUNDS.rounds).slice(-VIEW_BOUNDS.rounds * MAX_ROUNDS_OF_HEIGHT)
}

/** Rounds of one height that are shown. */
export const MAX_ROUNDS_OF_HEIGHT = 8
