/** A schedule told line by line: what was said by whom, and what was stored when. */
import type { ConsensusMessage } from '../../src/consensus/messages.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { headerHash } from '../../src/ledger/header.ts'
import { type PlanOptions, planOf } from './plan.ts'
import { START_MS } from './scheduler.ts'
import { type Outcome, World } from './simulate.ts'

export async function trace(seed: number, options: PlanOptions, write: (line: string) => void): Promise<Outcome> {
  const plan = planOf(seed, options)
  write(JSON.stringify(plan))
  const world = new World(plan)
  const names = new Map(world.nodes.map(node => [node.key, String(node.options.index)]))
  const nameOf = (key: Uint8Array): string => names.get(toHex(key)) ?? '?'
  const at = (): string => String(world.scheduler.nowMs - START_MS).padStart(6)
  world.observer.onSent = (speaker, message) => write(`${at()} ${speaker.name}: ${describe(message, nameOf)}`)
  world.observer.onStored = (speaker, block) => write(`${at()} ${speaker.name} stored ${block.header.height} ${short(block.hash)}`)
  return await world.run()
}

function describe(message: ConsensusMessage, nameOf: (key: Uint8Array) => string): string {
  switch (message.type) {
    case 'proposal': {
      const { height, round, validRound, header, batches, validator } = message.value
      const since = header.time - START_MS
      return `proposal ${height}/${round} by ${nameOf(validator)}: ${short(headerHash(header))}, validRound ${validRound}, time ${since}, batches ${batches.map(short).join(' ')}`
    }
    case 'vote': {
      const { kind, height, round, validator, block } = message.value
      return `${kind} ${height}/${round} by ${nameOf(validator)}: ${short(block)}`
    }
    case 'votes':
      return `votes ${message.value.map(vote => `${vote.kind} ${vote.height}/${vote.round} by ${nameOf(vote.validator)}: ${short(vote.block)}`).join(', ')}`
    case 'certificate':
      return `certificate ${message.value.header.height}: ${short(message.value.certificate.block)}`
  }
}

function short(hash: Uint8Array | null): string {
  return hash === null ? 'nil' : toHex(hash).slice(0, 6)
}
