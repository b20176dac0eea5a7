/** Several nodes over the public entry alone: messages and timers in virtual time, nothing else. One height. */
import {
  type ConsensusInput,
  type ConsensusOutput,
  type ConsensusState,
  type ConsensusView,
  type PlainMessage,
  type PlainValidator,
  startConsensus,
  stepConsensus,
  viewConsensus,
} from 'epione/consensus'

export interface ClusterOptions {
  validators?: readonly PlainValidator[]
  /** Nodes that run; the others are down, or are played by the test. */
  running?: string
  /** What arrives of a message, if anything: return it, another one in its place, or nothing. */
  carry?: (message: PlainMessage, from: string, to: string) => PlainMessage | undefined
  delayMs?: () => number
  /** Verdict on a value, true where none is given. */
  valid?: (value: string, node: string) => boolean
}

interface Event {
  at: number
  order: number
  node: string
  input: ConsensusInput
  /** For timers: the one of its kind that counts. */
  timer?: number
}

export class PlainCluster {
  readonly nodes: string[]
  readonly decisions = new Map<string, { round: number; value: string }>()
  /** Everything that running nodes broadcast, in order. */
  readonly sent: { from: string; at: number; message: PlainMessage }[] = []
  readonly outputs: { node: string; output: ConsensusOutput }[] = []
  carry: NonNullable<ClusterOptions['carry']>
  now = 0
  readonly #options: ClusterOptions
  readonly #states = new Map<string, ConsensusState>()
  readonly #timers = new Map<string, number>()
  #events: Event[] = []
  #order = 0

  constructor(options: ClusterOptions = {}) {
    this.#options = options
    this.carry = options.carry ?? (message => message)
    const validators = options.validators ?? [...'abcd'].map(name => ({ name }))
    this.nodes = [...(options.running ?? validators.map(({ name }) => name).join(''))]
    for (const self of this.nodes) this.#states.set(self, startConsensus({ validators, self }))
  }

  start(): void {
    for (const node of this.nodes) this.give(node, { type: 'start' })
  }

  view(node: string): ConsensusView {
    return viewConsensus(this.#states.get(node)!)
  }

  give(node: string, input: ConsensusInput): void {
    const stepped = stepConsensus(this.#states.get(node)!, input)
    this.#states.set(node, stepped.state)
    for (const output of stepped.outputs) this.#perform(node, output)
  }

  /** A message of somebody who does not run here. */
  send(from: string, message: PlainMessage, to: string = this.nodes.join('')): void {
    for (const node of to) this.#deliver(from, node, message)
  }

  /** Lets time pass until `done`, for at most `limitMs`; whether it came true. */
  until(done: () => boolean, limitMs: number): boolean {
    const limit = this.now + limitMs
    while (!done()) {
      this.#events.sort((a, b) => a.at - b.at || a.order - b.order)
      const next = this.#events.shift()
      if (next === undefined || next.at > limit) {
        if (next !== undefined) this.#events.unshift(next)
        this.now = limit
        return false
      }
      this.now = next.at
      const { node, input, timer } = next
      if (timer !== undefined && input.type === 'timeout' && this.#timers.get(`${node} ${input.kind}`) !== timer) continue
      this.give(node, input)
    }
    return true
  }

  decided(): boolean {
    return this.nodes.every(node => this.decisions.has(node))
  }

  values(): string[] {
    return [...new Set([...this.decisions.values()].map(({ value }) => value))]
  }

  #perform(node: string, output: ConsensusOutput): void {
    this.outputs.push({ node, output })
    switch (output.type) {
      case 'get-value':
        this.give(node, { type: 'value', round: output.round, value: `v@${output.round}` })
        break
      case 'decide':
        this.decisions.set(node, { round: output.round, value: output.value })
        break
      case 'schedule': {
        const timer = this.#order++
        this.#timers.set(`${node} ${output.kind}`, timer)
        const input = { type: 'timeout', kind: output.kind, round: output.round } as ConsensusInput
        this.#events.push({ at: this.now + output.ms, order: timer, node, input, timer })
        break
      }
      case 'broadcast':
        this.sent.push({ from: node, at: this.now, message: output.message })
        for (const to of this.nodes) if (to !== node) this.#deliver(node, to, output.message)
    }
  }

  #deliver(from: string, to: string, message: PlainMessage): void {
    const arrives = this.carry(message, from, to)
    if (arrives === undefined) return
    const valid = this.#options.valid ?? (() => true)
    const input: ConsensusInput = arrives.type === 'proposal' ? { ...arrives, valid: valid(arrives.value, to) } : arrives
    const delay = this.#options.delayMs?.() ?? 10
    this.#events.push({ at: this.now + delay, order: this.#order++, node: to, input })
  }
}

/** The votes in a message. */
export function votesIn(message: PlainMessage): { kind: string; round: number; value: string | null; from: string }[] {
  if (message.type === 'vote') return [message]
  return message.type === 'votes' ? [...message.votes] : []
}
