/** How a light peer stands with its nodes, in codes for programs and in plain words for people. */
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { commitResponseCodec } from '../network/light-messages.ts'
import { type LightPeer, staleAfterMs } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { sleep } from './sleep.ts'

/** Most nodes that are asked. */
const MAX_ASKED = 16
/** How long one may take, in ms. */
const TIMEOUT_MS = 5_000
/** Blocks by which a node may be behind the others without a word of it. */
const BEHIND_BLOCKS = 3
const EVERY_MS = 10_000

/**
 * `ok` answers with the newest state; `behind` with an older one than others; `stale` with one that is too old for the clock here; `lying` with
 * something that does not hold; `unreachable` and `failing` not at all, or with an error.
 */
export type NodeState = 'ok' | 'behind' | 'stale' | 'lying' | 'unreachable' | 'failing'

export interface NodeDiagnosis {
  readonly addresses: readonly string[]
  /** Name of its organisation, where the ledger names it. */
  readonly organisation: string | null
  readonly state: NodeState
  /** Stable code of what it failed with. */
  readonly code: string | null
  readonly height: number | null
  /** Age of its newest block by the clock here, in ms. */
  readonly ageMs: number | null
  readonly tookMs: number
}

export interface Finding {
  /** Stable: `no-nodes`, `no-node-answers`, `one-node`, `node-unreachable`, `node-behind`, `node-lying`, `chain-stale`, `clock-behind`, `conflicting-headers`. */
  readonly code: string
  readonly message: string
  /** What to do. */
  readonly fix: string
}

export interface Diagnosis {
  /** `ok`: at least two nodes answer, and what they say is new; `degraded`: it works, but something is wrong; `down`: nothing can be read or written. */
  readonly state: 'ok' | 'degraded' | 'down'
  readonly findings: readonly Finding[]
  readonly nodes: readonly NodeDiagnosis[]
}

/** Codes of answers that do not hold. */
const LIES: ReadonlySet<string> = new Set(['malformed', 'invalid-proof', 'invalid-header', 'invalid-certificate', 'untrusted-validators'])
const SILENT: ReadonlySet<string> = new Set(['unreachable', 'timeout', 'connection-lost', 'bad-address'])

/** Asks every node that is known, sixteen at most, for its newest block, verifies what they show, and says what is wrong and what to do. */
export async function diagnose(peer: LightPeer, options: CallOptions = {}): Promise<Diagnosis> {
  const call = { signal: options.signal, timeoutMs: options.timeoutMs ?? TIMEOUT_MS }
  await peer.nodes.learn().catch(() => undefined)
  const probed = await peer.nodes.probe(
    { type: 'commit', value: { height: null } },
    async bytes => await peer.verifyCommit(commitResponseCodec.decode(bytes), call),
    { ...call, limit: MAX_ASKED },
  )
  options.signal?.throwIfAborted()
  const now = peer.now()
  const newest = Math.max(0, ...probed.map(({ answer }) => answer?.height ?? 0))
  const members = probed.some(({ answer }) => answer !== null) ? await peer.members(call).catch(() => []) : []
  const nodes = probed.map(({ key, addresses, tookMs, answer, error }): NodeDiagnosis => {
    const organisation =
      key === null ? undefined : members.find(member => equalBytes(member.organisation.networkKey, key))?.organisation.name
    const about = { addresses, organisation: organisation ?? null, tookMs }
    if (answer === null) return { ...about, state: stateOf(errorCode(error)), code: errorCode(error), height: null, ageMs: null }
    const ageMs = Math.max(0, now - answer.time)
    const isStale = ageMs > staleAfterMs(peer.parameters)
    const state = isStale ? 'stale' : answer.height + BEHIND_BLOCKS < newest ? 'behind' : 'ok'
    return { ...about, state, code: null, height: answer.height, ageMs }
  })
  const ahead = Math.max(0, ...probed.map(({ error }) => (errorCode(error) === 'future-header' ? 1 : 0)))
  const findings = findingsOf(nodes, ahead > 0)
  const { conflict } = peer
  if (conflict !== undefined) {
    findings.unshift({
      code: 'conflicting-headers',
      message: `Two different blocks of height ${conflict.height} were each signed by a quorum: more than a third of the validators lie.`,
      fix: 'Read and write nothing until the members of the network have settled it; the nodes were told. Then begin from a checkpoint that two members give you.',
    })
  }
  const good = nodes.filter(({ state }) => state === 'ok').length
  const usable = conflict === undefined && nodes.some(({ height }) => height !== null)
  return { state: !usable ? 'down' : good >= 2 && findings.length === 0 ? 'ok' : 'degraded', findings, nodes }
}

function stateOf(code: string): NodeState {
  return SILENT.has(code) ? 'unreachable' : LIES.has(code) ? 'lying' : 'failing'
}

function findingsOf(nodes: readonly NodeDiagnosis[], isAhead: boolean): Finding[] {
  const found: Finding[] = []
  const name = ({ organisation, addresses }: NodeDiagnosis): string => organisation ?? addresses[0] ?? 'a node'
  const of = (state: NodeState): string =>
    nodes
      .filter(node => node.state === state)
      .map(name)
      .join(', ')
  const add = (code: string, message: string, fix: string): void => void found.push({ code, message, fix })
  if (nodes.length === 0) add('no-nodes', 'No address of a node is known.', 'Give one or more in `nodes`.')
  else if (nodes.every(({ height }) => height === null)) {
    add('no-node-answers', `None of ${nodes.length} nodes answers.`, 'Check the network of this device, and the addresses in `nodes`.')
  } else {
    if (of('unreachable') !== '')
      add('node-unreachable', `Cannot be reached: ${of('unreachable')}.`, 'Nothing, while others answer: they are asked instead.')
    const answering = nodes.filter(({ height }) => height !== null)
    if (answering.length === 1) {
      add(
        'one-node',
        'Only one node answers: where it fails or withholds something, there is nobody else to ask.',
        'Give addresses of nodes of several organisations.',
      )
    }
    if (answering.every(({ state }) => state === 'stale')) {
      const seconds = Math.round(Math.min(...answering.map(({ ageMs }) => ageMs ?? 0)) / 1000)
      add(
        'chain-stale',
        `The newest block is ${seconds} s old: the network makes no blocks, the nodes withhold them, or the clock here is ahead.`,
        'Check the clock of this device; ask an operator for `epione status`.',
      )
    } else if (of('stale') !== '' || of('behind') !== '') {
      add(
        'node-behind',
        `Shows an older state than others: ${[of('stale'), of('behind')].filter(text => text !== '').join(', ')}.`,
        'Nothing: the others are asked first.',
      )
    }
  }
  if (of('lying') !== '')
    add(
      'node-lying',
      `Gave an answer that does not hold: ${of('lying')}.`,
      'Take it out of `nodes`, and tell its operator; its answers are not used.',
    )
  if (isAhead) add('clock-behind', 'Blocks are from the future by the clock here.', 'Set the clock of this device.')
  return found
}

/** Whether things changed: yields the diagnosis at first, and whenever its state or one of its findings is another. Without end until the signal aborts. */
export async function* watchHealth(peer: LightPeer, options: CallOptions & { everyMs?: number } = {}): AsyncGenerator<Diagnosis> {
  let last: string | undefined
  for (;;) {
    const diagnosis = await diagnose(peer, options)
    const said = JSON.stringify([diagnosis.state, diagnosis.findings.map(({ code, message }) => (code === 'chain-stale' ? code : message))])
    if (said !== last) yield diagnosis
    last = said
    await sleep(options.everyMs ?? EVERY_MS, options.signal)
  }
}

/**
 * Waits until so many nodes answer with the newest state.
 * @throws EpioneError `not-ready` after `timeoutMs` (@default 30 000), with what is wrong
 */
export async function waitUntilReady(peer: LightPeer, options: CallOptions & { nodes?: number } = {}): Promise<Diagnosis> {
  const { nodes = 1, timeoutMs = 30_000, signal } = options
  const until = performance.now() + timeoutMs
  for (;;) {
    const diagnosis = await diagnose(peer, { signal, timeoutMs: Math.min(TIMEOUT_MS, timeoutMs) })
    if (diagnosis.nodes.filter(({ state }) => state === 'ok').length >= nodes) return diagnosis
    if (performance.now() > until) {
      const wrong = diagnosis.findings.map(({ message }) => message).join(' ')
      throw new EpioneError('not-ready', `Fewer than ${nodes} nodes answer with the newest state. ${wrong}`)
    }
    await sleep(Math.min(500, timeoutMs), signal)
  }
}
