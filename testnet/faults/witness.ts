/**
 * A witness against double signing: reads what the validators' logs and guards hold while they are written, and remembers for each
 * validator what was signed for each height, round and kind. Two different statements for one place are a conflict, wherever and
 * whenever each of them was seen.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DurableFile } from '../../src/consensus/disk.ts'
import { SigningGuard, STEP } from '../../src/consensus/guard.ts'
import { type DriverInput, walEntryCodec } from '../../src/consensus/inputs.ts'
import { proposalSigningBytes, voteMessageSigningBytes } from '../../src/consensus/messages.ts'
import { WriteAheadLog } from '../../src/consensus/wal.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import type { Certificate } from '../../src/ledger/certificate.ts'

export type StatementKind = keyof typeof STEP

export interface Statement {
  /** Consensus key of who signed. */
  validator: Uint8Array
  height: number
  round: number
  kind: StatementKind
  /** Bytes that were signed. */
  message: Uint8Array
}

export interface WitnessedNode {
  /** For findings: `node1`. */
  id: string
  /** Folder of its log and guard. */
  dir: string
  consensusKey: Uint8Array
}

/** Heights take turns between the two. */
const LOGS = ['wal-0', 'wal-1'] as const
const KINDS = Object.keys(STEP) as StatementKind[]
/** Statements that are remembered; above it the run is longer than this witness is made for. */
const MAX_STATEMENTS = 4_000_000

export class Witness {
  /** Sentences, one for each conflict and for each log that could not be read at rest. */
  readonly findings: string[] = []
  readonly #chainId: Uint8Array
  readonly #nodes: readonly WitnessedNode[]
  readonly #said = new Map<string, { message: string; where: string }>()
  /** Places of the conflicts that were found: each is seen again and again. */
  readonly #conflicts = new Set<string>()
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #looks = 0
  #torn = 0

  constructor(chainId: Uint8Array, nodes: readonly WitnessedNode[]) {
    this.#chainId = chainId
    this.#nodes = nodes
  }

  /** How many different statements were seen, in how many looks, and how many of those met a log in the middle of a change. */
  get counts(): { statements: number; looks: number; torn: number } {
    return { statements: this.#said.size, looks: this.#looks, torn: this.#torn }
  }

  /** Looks at every node again and again, until it is stopped. */
  start(everyMs = 100): void {
    const { signal } = this.#stop
    this.#running = (async () => {
      while (!signal.aborted) {
        for (const node of this.#nodes.keys()) await this.look(node)
        await sleep(everyMs, undefined, { signal }).catch(() => undefined)
      }
    })()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  /** Reads a node's log and guard. @param options.atRest no process writes them: what cannot be read is a finding */
  async look(index: number, options: { atRest?: boolean } = {}): Promise<void> {
    const node = this.#nodes[index]
    if (node === undefined) throw new RangeError(`there is no node at ${index}`)
    this.#looks++
    try {
      for (const statement of await this.#read(node)) this.saw(statement, node.id)
    } catch (error) {
      if (!(error instanceof EpioneError)) throw error
      if (options.atRest === true) this.findings.push(`${node.id}: what it signed cannot be read at rest (${error.code})`)
      else this.#torn++
    }
  }

  /** Remembers a statement, or finds that it conflicts with what was said before. */
  saw(statement: Statement, where: string): void {
    const { validator, height, round, kind } = statement
    const place = `${toHex(validator)} ${height} ${round} ${kind}`
    const message = toHex(sha256(statement.message))
    const known = this.#said.get(place)
    if (known === undefined) {
      if (this.#said.size >= MAX_STATEMENTS) throw new RangeError('there is more to remember than this witness is made for')
      this.#said.set(place, { message, where })
    } else if (known.message !== message && !this.#conflicts.has(place)) {
      this.#conflicts.add(place)
      const who = this.#nodes.find(node => toHex(node.consensusKey) === toHex(validator))?.id ?? toHex(validator).slice(0, 8)
      this.findings.push(`${who} signed two ${kind}s at height ${height}, round ${round}: seen at ${known.where} and at ${where}`)
    }
  }

  /** Remembers the precommits of a certificate. */
  sawCertificate({ height, round, block, signatures }: Certificate, where: string): void {
    const vote = { kind: 'precommit' as const, height, round, block }
    for (const { validator } of signatures) {
      this.saw({ ...vote, validator, message: voteMessageSigningBytes(this.#chainId, { ...vote, validator }) }, where)
    }
  }

  async #read({ dir, consensusKey }: WitnessedNode): Promise<Statement[]> {
    const statements: Statement[] = []
    for (const name of LOGS) {
      const log = await copyOf(join(dir, name))
      if (log === null) continue
      for (const payload of new WriteAheadLog(log).replay()) {
        const entry = walEntryCodec.decode(payload)
        if (entry.type === 'input') statements.push(...this.#statements(entry.value))
      }
    }
    const guard = await copyOf(join(dir, 'guard'))
    if (guard !== null) {
      const { height, round, step, message, signature } = SigningGuard.open(guard).last
      if (signature !== null) statements.push({ validator: consensusKey, height, round, kind: KINDS[step] as StatementKind, message })
    }
    return statements
  }

  #statements(input: DriverInput): Statement[] {
    if (input.type === 'proposal') {
      const { proposal } = input.value
      return [{ ...proposal, kind: 'proposal', message: proposalSigningBytes(this.#chainId, proposal) }]
    }
    if (input.type !== 'votes') return []
    return input.value.map(vote => ({ ...vote, message: voteMessageSigningBytes(this.#chainId, vote) }))
  }
}

/** What a file holds now, in memory, whoever writes it; null where it is not there. */
async function copyOf(path: string): Promise<DurableFile | null> {
  let bytes: Uint8Array
  try {
    bytes = new Uint8Array(await readFile(path))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  const done = (): void => undefined
  return {
    created: false,
    size: bytes.length,
    read: length => bytes.slice(0, length),
    write: done,
    truncate: done,
    sync: async () => done(),
    syncNow: done,
    close: done,
  }
}
