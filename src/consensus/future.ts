/** Bounded buffer of verified messages for heights that this node has not reached. */
import { toHex } from '../encoding/bytes.ts'
import type { DriverInput } from './inputs.ts'

/** Heights ahead that are kept. */
export const MAX_FUTURE_HEIGHTS = 10
/** Weight kept per height, and of it per sender: a vote weighs 1, a proposal 32. */
const MAX_HEIGHT_WEIGHT = 4096
const MAX_SENDER_WEIGHT = 512
const PROPOSAL_WEIGHT = 32

interface HeightBuffer {
  weight: number
  readonly senders: Map<string, number>
  readonly inputs: Map<string, DriverInput>
}

export class FutureBuffer {
  readonly #heights = new Map<number, HeightBuffer>()

  /** Whether {@link add} would keep a message that is not kept yet: what would be refused need not be verified. */
  admits(height: number, at: number, input: DriverInput, from: Uint8Array): 'known' | 'room' | 'full' {
    const described = describe(input)
    if (at <= height || at > height + MAX_FUTURE_HEIGHTS || described === undefined) return 'full'
    const buffer = this.#heights.get(at)
    const sender = toHex(from)
    // What is sent again replaces nothing: the first form of a message is what counts later, too.
    if (buffer?.inputs.has(`${sender} ${described.key}`)) return 'known'
    const used = buffer?.senders.get(sender) ?? 0
    const isFull = used + described.weight > MAX_SENDER_WEIGHT || (buffer?.weight ?? 0) + described.weight > MAX_HEIGHT_WEIGHT
    return isFull ? 'full' : 'room'
  }

  /** Keeps a proposal or votes until their height; false where the bounds refuse it. `height` is the present height. */
  add(height: number, at: number, input: DriverInput, from: Uint8Array): boolean {
    const state = this.admits(height, at, input, from)
    const described = describe(input)
    if (state !== 'room' || described === undefined) return state === 'known'
    const sender = toHex(from)
    const buffer = this.#heights.get(at) ?? { weight: 0, senders: new Map<string, number>(), inputs: new Map<string, DriverInput>() }
    buffer.inputs.set(`${sender} ${described.key}`, input)
    buffer.senders.set(sender, (buffer.senders.get(sender) ?? 0) + described.weight)
    buffer.weight += described.weight
    this.#heights.set(at, buffer)
    return true
  }

  /** Takes what was kept for `height` and forgets everything below it. */
  take(height: number): DriverInput[] {
    const inputs = [...(this.#heights.get(height)?.inputs.values() ?? [])]
    for (const at of this.#heights.keys()) if (at <= height) this.#heights.delete(at)
    return inputs
  }

  /** How much is held: heights, messages, and their weight. */
  sizes(): { heights: number; inputs: number; weight: number } {
    const buffers = [...this.#heights.values()]
    return {
      heights: buffers.length,
      inputs: buffers.reduce((sum, { inputs }) => sum + inputs.size, 0),
      weight: buffers.reduce((sum, { weight }) => sum + weight, 0),
    }
  }

  /** Highest height for which something is kept. */
  highest(): number | undefined {
    return this.#heights.size === 0 ? undefined : Math.max(...this.#heights.keys())
  }
}

function describe(input: DriverInput): { key: string; weight: number } | undefined {
  if (input.type === 'proposal') {
    const { round, validator } = input.value.proposal
    return { key: `proposal ${round} ${toHex(validator)}`, weight: PROPOSAL_WEIGHT }
  }
  if (input.type !== 'votes') return undefined
  const names = input.value.map(({ kind, round, validator, block }) => `${kind} ${round} ${toHex(validator)} ${block && toHex(block)}`)
  return { key: names.join(','), weight: input.value.length }
}
