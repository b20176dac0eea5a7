/** The reader's half: from any k fragments back to the ciphertext, trusting no fragment and no writer. */
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { dispersalRoot, dispersePrefix } from './dispersal.ts'
import { chunkLeaf, FragmentHasher } from './hasher.ts'
import { checkDispersalShape, chunkLength, chunksOf, type DispersalShape, fragmentLength, stripeBytes } from './layout.ts'
import { systemTimer, type Timer } from './pace.ts'
import { type MoreSources, type SourceOffer, SourcePool } from './source-pool.ts'
import type { FragmentSource } from './source-reader.ts'
import { completeStripe, type StripeWorker } from './stripe-work.ts'

export interface AssembleOptions extends DispersalShape {
  readonly dispersalRoot: Uint8Array
  /** Sources in order of preference, after those of `offers`; drawn on where others fail or lag. Several may offer one index. */
  readonly sources?: readonly FragmentSource[]
  /** Who was asked already; all of them are read until k prove quicker. */
  readonly offers?: readonly SourceOffer[]
  /** Asks others, where `sources` are used up. */
  readonly more?: MoreSources
  /** The beginning of the ciphertext, where it is known: whole stripes of it are not asked for, but checked like the rest. */
  readonly prefix?: AsyncIterable<Uint8Array>
  readonly signal?: AbortSignal
  /** Told of every one of `sources` that is given up: what it sent was wrong (`corrupt-fragment`) or it failed by itself. */
  readonly onSourceFailed?: (source: FragmentSource, error: unknown) => void
  readonly timer?: Timer
  /** Who computes stripes, where it is not this thread. */
  readonly worker?: StripeWorker | undefined
}

/**
 * Yields the ciphertext in order, in pieces of at most 64 KiB; memory is one stripe per source and the leaf hashes. Every chunk is
 * checked before it is used; a source that sends a wrong one is replaced by a spare from that chunk on, and one that lags is
 * overtaken: see source-pool.ts for how much it can hold up the read. All n fragments are recomputed on the way, so that a writer
 * who dispersed what is no codeword is found out by every reader alike, whichever k fragments it holds (Cachin and Tessaro,
 * "Asynchronous verifiable information dispersal", 2005).
 *
 * What it yields is provisional until it returns: act on it only after that, or after an authenticated decryption.
 *
 * @throws EpioneError `too-few-fragments` where sources for fewer than k fragments are left, `corrupt-fragment` (metadata
 * `index`) where that is because of a wrong byte, `malformed-dispersal` where the fragments are no codeword of that root,
 * `resume-mismatch` where the prefix is not the beginning of what is read
 */
export async function* assemble(options: AssembleOptions): AsyncGenerator<Uint8Array, void, undefined> {
  checkDispersalShape(options)
  const { n, k, size, signal, worker } = options
  const length = fragmentLength(size, n, k)
  const stripes = chunksOf(length)
  const hashers = Array.from({ length: n }, () => new FragmentHasher())
  const known: Uint8Array[][] = hashers.map(() => [])
  let first = 0
  if (options.prefix !== undefined) {
    for await (const { stripe, shards } of dispersePrefix(options.prefix, size, options, { signal })) {
      shards.forEach((shard, i) => {
        const leaf = chunkLeaf(shard)
        hashers[i]?.updateLeaf(leaf)
        known[i]?.push(leaf)
      })
      yield* payload(shards, options, stripe)
      first = stripe + 1
    }
  }
  const { offers = [], timer = systemTimer } = options
  const pool = new SourcePool({ ...options, offers, more: moreOf(options), timer, known }, length)
  let whole = false
  try {
    for (let stripe = first; stripe < stripes; stripe++) {
      signal?.throwIfAborted()
      const { shards, leaves } = await pool.readStripe(stripe)
      const shard = chunkLength(length, stripe)
      const complete =
        worker === undefined ? completeStripe(options, shards, leaves, shard) : await worker.complete(options, shards, leaves, shard)
      complete.leaves.forEach((leaf, i) => {
        hashers[i]?.updateLeaf(leaf)
      })
      yield* payload(complete.shards, options, stripe)
    }
    whole = true
  } finally {
    pool.close(whole)
  }
  const roots = hashers.map(hasher => hasher.root())
  if (equalBytes(dispersalRoot(roots, n, k, size), options.dispersalRoot)) return
  if (first === stripes) throw new EpioneError('resume-mismatch', 'What was read before is not this version; read it from the start.')
  throw malformedDispersal('its fragments are no codeword')
}

/** The bytes of a stripe that are ciphertext. What is left of its shards must be zero. */
function* payload(shards: readonly Uint8Array[], shape: DispersalShape, stripe: number): Generator<Uint8Array, void, undefined> {
  let left = stripeBytes(shape, stripe)
  for (const shard of shards.slice(0, shape.k)) {
    const taken = Math.min(left, shard.length)
    if (shard.subarray(taken).some(byte => byte !== 0)) throw malformedDispersal('its padding is not zero')
    if (taken > 0) yield shard.subarray(0, taken)
    left -= taken
  }
}

/** The given sources one after the other, and then whoever else there is. */
function moreOf({ sources = [], more, onSourceFailed }: AssembleOptions): MoreSources {
  const spares = [...sources]
  return (firstChunk, why) => {
    const source = spares.shift()
    if (source === undefined) return more?.(firstChunk, why)
    return {
      firstChunk,
      source: Promise.resolve(source),
      ended: outcome => {
        if (outcome.type === 'failed') onSourceFailed?.(source, outcome.error)
      },
    }
  }
}

function malformedDispersal(why: string): EpioneError {
  return new EpioneError('malformed-dispersal', `the writer dispersed this version wrongly: ${why}; no reader can accept it`)
}
