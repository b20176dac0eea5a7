/** Snapshots between made-up peers: a chain to hand on, who answers for it, and a node that joins. */
import { nextLogHead } from '../../src/contracts/access-formats.ts'
import { logHeads, logItemId } from '../../src/contracts/log-rules.ts'
import { genesisChanges, genesisHeader } from '../../src/contracts/members.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { ChainGenerations } from '../../src/ledger/chain-generations.ts'
import { openChainStore } from '../../src/ledger/chain-store.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import { SnapshotStore } from '../../src/ledger/snapshot-store.ts'
import { StateTree } from '../../src/ledger/state-tree.ts'
import type { Transaction } from '../../src/ledger/transaction.ts'
import type { Network } from '../../src/network/network.ts'
import { type SnapshotRequest, snapshotRequestCodec } from '../../src/network/validator-messages.ts'
import { Chain } from '../../src/node/chain.ts'
import type { Logger } from '../../src/node/logger.ts'
import { SnapshotJoin, type SnapshotJoinOptions } from '../../src/node/snapshot-join.ts'
import { SnapshotService } from '../../src/node/snapshot-service.ts'
import { genesisOf, nodeKeys } from './cluster.ts'
import { createFolder, nextBlock, openTestChain, type TestChain } from './ledger-fixture.ts'

export const genesis = genesisOf()
export const HEIGHT = 12
const HOUR_MS = 60 * 60 * 1000
const changes = genesisChanges(genesis)
const founding = { genesisHeader: genesisHeader(genesis, StateTree.empty().apply(changes).root), genesisChanges: changes }
const logRules = { itemId: logItemId, nextHead: nextLogHead, heads: logHeads }
export const signal = new AbortController().signal

export type Answer = (request: SnapshotRequest) => Promise<Uint8Array>

/** Answers as an honest node with this chain and these snapshots does. */
async function honestAnswer(chain: Chain, snapshots: SnapshotStore): Promise<Answer> {
  let answer: ((bytes: Uint8Array, context: { peer: Uint8Array }) => Promise<Uint8Array>) | undefined
  const network = {
    handle: async (_protocol: string, _policy: string, handler: typeof answer) => {
      answer = handler
    },
    report: () => undefined,
  } as unknown as Network
  await new SnapshotService({ chain, network, snapshots }).start()
  return async request => (await answer?.(snapshotRequestCodec.encode(request), { peer: new Uint8Array(32) })) as Uint8Array
}

export interface Source extends AsyncDisposable {
  chain: Chain
  honest: Answer
  snapshots: SnapshotStore
  last: Transaction
}

/** A chain, by default of some chunks of state with a pause of two hours in the middle, and the snapshot of its tip. */
export async function source(dir: string, grow: (chain: Chain) => Promise<Transaction> = growFolders): Promise<Source> {
  const opened: TestChain = await openTestChain(`${dir}/source`, genesis)
  const { chain } = opened
  const last = await grow(chain)
  const store = await openLevelStore(`${dir}/snapshots`)
  const snapshots = await SnapshotStore.open(store)
  await snapshots.write(chain.snapshotSource(), { signal })
  return {
    chain,
    snapshots,
    last,
    honest: await honestAnswer(chain, snapshots),
    [Symbol.asyncDispose]: async () => {
      await store.close()
      await opened[Symbol.asyncDispose]()
    },
  }
}

async function growFolders(chain: Chain): Promise<Transaction> {
  let last = createFolder(chain, 'first')
  for (let height = 1; height <= HEIGHT; height++) {
    const pause = height === 7 ? 2 * HOUR_MS : 1000
    last = createFolder(chain, `last ${height}`, { validUntil: chain.tip.header.time + pause + 30 * 60_000 })
    const others = height === 7 ? [] : Array.from({ length: 150 }, (_, i) => createFolder(chain, `${height} ${i}`))
    await chain.accept(nextBlock(chain, [...others, last], pause))
  }
  return last
}

/** An answer, unless its time or the signal is first. */
async function withinTime(answer: Promise<Uint8Array>, signal: AbortSignal, timeoutMs: number): Promise<Uint8Array> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new EpioneError('timeout', 'The peer did not answer in time.')), timeoutMs)
    signal.addEventListener('abort', () => reject(new EpioneError('aborted', 'It was given up.')))
  })
  late.catch(() => undefined)
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}

export interface Joiner extends AsyncDisposable {
  chain: Chain
  generations: ChainGenerations
  reports: string[]
  /** Requests by kind and peer. */
  asked: string[]
  /** Codes of the warnings in the log. */
  warnings: string[]
  run(peers: Record<string, Answer>, weights?: Record<string, number>, options?: Partial<SnapshotJoinOptions>): Promise<boolean>
}

export async function joiner(dir: string): Promise<Joiner> {
  const root = await openLevelStore(dir)
  const generations = await ChainGenerations.open(root)
  const chain = await Chain.open(genesis, await openChainStore(generations.current, founding), root.sublevel('validator-sets'))
  const reports: string[] = []
  const asked: string[] = []
  const warnings: string[] = []
  const silent = () => undefined
  return {
    warnings,
    chain,
    generations,
    reports,
    asked,
    run: async (peers, weights = {}, options = {}) => {
      const named = Object.entries(peers).map(([name, answer], index) => ({ name, answer, key: nodeKeys(index).network.publicKey }))
      const nameOf = (key: Uint8Array) => named.find(peer => equalBytes(peer.key, key)) as (typeof named)[number]
      const network = {
        peers: () => named.map(({ key }) => ({ networkKey: key, member: true, connected: true })),
        report: (peer: Uint8Array, offence: string) => reports.push(`${nameOf(peer).name}: ${offence}`),
        request: async (
          key: Uint8Array,
          _protocol: string,
          bytes: Uint8Array,
          { signal, timeoutMs }: { signal: AbortSignal; timeoutMs: number },
        ) => {
          const request = snapshotRequestCodec.decode(bytes)
          asked.push(`${nameOf(key).name} ${request.type}`)
          await new Promise(resolve => setImmediate(resolve))
          return await withinTime(nameOf(key).answer(request), signal, timeoutMs)
        },
      } as unknown as Network
      const warn = ({ code }: { code?: string }) => warnings.push(code ?? 'none')
      const logger = { debug: silent, info: silent, warn, error: silent } as unknown as Logger
      const bounds = { maxBytes: 2 ** 30, maxLeaves: 1_000_000, ...options }
      const join = new SnapshotJoin(bounds, { chain, network, generations, genesis: founding, logRules, logger })
      const tip = await join.run({ minGain: 1, weightOf: key => weights[nameOf(key).name] ?? 1, signal })
      return tip !== undefined
    },
    [Symbol.asyncDispose]: async () => await root.close(),
  }
}

/** An honest peer but for some answers. */
export const but = (
  honest: Answer,
  changed: (request: SnapshotRequest, answer: () => Promise<Uint8Array>) => Promise<Uint8Array> | undefined,
): Answer => {
  return async request => await (changed(request, async () => await honest(request)) ?? honest(request))
}

/** A peer with a snapshot of its own making: another value in one leaf. */
export async function forger({ chain }: Source, dir: string): Promise<{ answer: Answer } & AsyncDisposable> {
  const store = await openLevelStore(dir)
  const snapshots = await SnapshotStore.open(store)
  const real = chain.snapshotSource()
  const tree = real.tree.apply([{ key: Uint8Array.of(0xff), value: Uint8Array.of(2) }])
  await snapshots.write({ ...real, tree }, { signal })
  return { answer: await honestAnswer(chain, snapshots), [Symbol.asyncDispose]: async () => await store.close() }
}
