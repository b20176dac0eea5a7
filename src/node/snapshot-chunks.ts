/** Gathers the chunks of a snapshot from all who offer it, a few from each at a time, within the bounds that are set. */
import { EpioneError, errorCode } from '../encoding/errors.ts'
import type { SnapshotInstaller } from '../ledger/snapshot-install.ts'

/** A chunk that one peer does not give within this time is asked from another, too, in ms. */
const SLOW_CHUNK_MS = 3_000
/** Chunks asked from one peer at once. */
const CHUNKS_PER_PEER = 2
/** Failures in a row after which a peer is not asked any more in this attempt. */
const MAX_FAILURES = 3
const LOOK_MS = 50

export interface GatherOptions {
  peers: readonly Uint8Array[]
  /** Leaves that all chunks may have together. */
  maxLeaves: number
  /** Time that each chunk may take on the average and all may take at most, in ms, after some in which that is not looked at. */
  pace: { graceMs: number; chunkMs: number; mostMs: number }
  signal: AbortSignal
}

export interface GatherDependencies {
  installer: Pick<SnapshotInstaller, 'leaves' | 'missing' | 'putChunk'>
  ask: (peer: Uint8Array, index: number, signal: AbortSignal) => Promise<Uint8Array>
  blame: (peer: Uint8Array, error: unknown) => void
  /** Called after each chunk. */
  report: () => void
}

/**
 * Resolves once every chunk is here.
 * @throws EpioneError `wrong-snapshot`; `snapshot-too-large`; `too-slow`; `unreachable` where nobody gives the rest
 */
export async function gatherChunks(options: GatherOptions, { installer, ask, blame, report }: GatherDependencies): Promise<void> {
  const { peers, maxLeaves, pace, signal } = options
  const startMs = performance.now()
  const asked = new Map<number, number>()
  const done = new AbortController()
  const either = AbortSignal.any([signal, done.signal])
  let gathered = 0
  let broken: unknown
  const end = (error?: unknown): void => {
    broken ??= error
    done.abort()
  }
  /** A chunk that nobody is asked for, or one that somebody is slow with. */
  const pick = (): number | undefined => {
    const now = performance.now()
    const missing = installer.missing()
    return missing.find(index => !asked.has(index)) ?? missing.find(index => now - (asked.get(index) ?? now) > SLOW_CHUNK_MS)
  }
  const checkLeaves = (): void => {
    if (installer.leaves <= maxLeaves) return
    throw tooLarge(`its state has more than ${maxLeaves} leaves, which are held in memory (--max-state-leaves)`)
  }
  const take = async (peer: Uint8Array, index: number): Promise<void> => {
    await installer.putChunk(index, await ask(peer, index, either))
    gathered++
    report()
    checkLeaves()
    if (installer.missing().length === 0) end()
  }
  const work = async (peer: Uint8Array): Promise<void> => {
    let failures = 0
    while (failures < MAX_FAILURES && !either.aborted) {
      const index = pick()
      if (index === undefined) {
        if (installer.missing().length === 0) return
        await new Promise(resolve => setTimeout(resolve, LOOK_MS))
        continue
      }
      asked.set(index, performance.now())
      try {
        await take(peer, index)
        failures = 0
      } catch (error) {
        asked.delete(index)
        if (either.aborted) return
        if (['wrong-snapshot', 'snapshot-too-large'].includes(errorCode(error))) return end(error)
        blame(peer, error)
        failures = errorCode(error) === 'wrong-chunk' ? MAX_FAILURES : failures + 1
      }
    }
  }
  report()
  checkLeaves()
  const timer = setInterval(() => {
    if (performance.now() - startMs > pace.graceMs + Math.min(pace.mostMs, gathered * pace.chunkMs)) {
      end(new EpioneError('too-slow', 'The snapshot comes too slowly; what was fetched of it stays, unless another is taken.'))
    }
  }, LOOK_MS)
  try {
    await Promise.all(peers.flatMap(peer => Array.from({ length: CHUNKS_PER_PEER }, async () => await work(peer))))
  } finally {
    clearInterval(timer)
  }
  signal.throwIfAborted()
  if (broken !== undefined) throw broken
  if (installer.missing().length > 0) throw new EpioneError('unreachable', 'Nobody gives the rest of the snapshot.')
}

export function tooLarge(reason: string): EpioneError {
  return new EpioneError('snapshot-too-large', `A snapshot that is offered is larger than this node's settings allow: ${reason}.`)
}
