/**
 * New headers as they become final. A node is asked to answer once there is a block above a height, again after each: a node keeps of that one request that
 * waits, and whoever goes on after a break, on this node or another, names the height that it has. Nothing is asked for that is not taken, so that no buffer fills.
 */
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { type Header, headerHash } from '../ledger/header.ts'
import type { LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { sleep } from './sleep.ts'

/** Pause where a node answers at once although nothing is new, in ms. */
const PAUSE_MS = 1_000
/** Pauses where no node can be reached, in ms: the first, and the longest. */
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 8_000

/** What comes of a way to the nodes that is cut: it may be there again later. */
const CUT_OFF: ReadonlySet<string> = new Set(['unreachable', 'timeout', 'connection-lost', 'busy', 'stale', 'behind'])

export interface HeadsOptions extends CallOptions {
  /** First height that is wanted; where it is left out, the newest is the first. */
  fromHeight?: number
  /**
   * What who takes headers slower than they come gets: `each` height, however late, or always the `newest`, with the ones between left out.
   * @default 'each'
   */
  lagging?: 'each' | 'newest'
  /** Told each time that no node answers, before it is tried again. */
  onCutOff?: (error: unknown) => void
}

/**
 * Verified headers, without end until the signal is aborted: each height once and in order, over lost connections and on other nodes.
 * @throws EpioneError `not-found` where no node has a height any more that is wanted, `invalid-header` where a header does not stand on the
 * one before it, or what verification throws; the signal's reason
 */
export async function* subscribeHeads(peer: LightPeer, options: HeadsOptions = {}): AsyncGenerator<Header> {
  const { signal, lagging = 'each' } = options
  let newest = await reached(async () => (await peer.head(options)).header, options)
  let next = options.fromHeight ?? newest.height
  let last: Header | undefined
  for (;;) {
    while (next <= newest.height) {
      signal?.throwIfAborted()
      if (lagging === 'newest') next = newest.height
      const height = next
      const header = height === newest.height ? newest : await reached(async () => await peer.headerAt(height, options), options)
      if (last !== undefined && header.height === last.height + 1 && !equalBytes(header.parent, headerHash(last))) throw notOnLast(header)
      yield header
      last = header
      next = height + 1
    }
    newest = await reached(async () => await nextHead(peer, next - 1, options), options)
  }
}

/** The newest header once it is above a height, or after a while. */
async function nextHead(peer: LightPeer, height: number, options: CallOptions): Promise<Header> {
  const header = await waitForBlock(peer, height, options)
  // Nothing new for so long: either nothing happened, or this node keeps it to itself. Others are asked where what it shows is stale.
  return header.height > height ? header : (await peer.head(options)).header
}

/** Waits for a block above a height, or for a while. A node that answers at once with nothing new is passed over. */
export async function waitForBlock(peer: LightPeer, height: number, options: CallOptions): Promise<Header> {
  const asked = peer.now()
  const header = await peer.waitAbove(height, options)
  const early = asked + PAUSE_MS - peer.now()
  if (header.height <= height && early > 0) {
    peer.nodes.passOver()
    await sleep(early, options.signal)
  }
  return header
}

/** What `act` gives once a node can be reached. */
async function reached<T>(act: () => Promise<T>, { signal, onCutOff }: HeadsOptions): Promise<T> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      return await act()
    } catch (error) {
      signal?.throwIfAborted()
      if (!CUT_OFF.has(errorCode(error))) throw error
      onCutOff?.(error)
      await sleep(pauseMs, signal)
    }
  }
}

function notOnLast({ height }: Header): EpioneError {
  return new EpioneError(
    'invalid-header',
    'The header does not stand on the one before it, though both were signed: the chain is broken.',
    {
      metadata: { height },
    },
  )
}
