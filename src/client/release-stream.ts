/** One release by one custodian, as a stream: what it shows, checked against the anchored root, and then the fragments. */
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError, MalformedError } from '../encoding/errors.ts'
import { merkleRootFromProof } from '../encoding/merkle.ts'
import {
  classCommitment,
  readRequestBytes,
  readRequestCodec,
  sealedKeyHash,
  type VersionMeta,
  versionLeafHash,
} from '../fragments/formats.ts'
import { chunkCount } from '../fragments/layout.ts'
import type { FragmentSource } from '../fragments/source-reader.ts'
import { type ReleaseFrame, releaseFrameCodec, releaseRequestCodec } from '../network/fragment-messages.ts'
import type { FrameChannel } from '../network/frames.ts'
import type { ShownDispute } from '../network/light-messages.ts'
import { MAX_FRAGMENT_FRAME, PROTOCOL } from '../network/protocols.ts'
import type { LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import type { Session } from './session.ts'
import { signed } from './signer.ts'

/** How long a custodian may take for one frame, in ms. */
const FRAME_TIMEOUT_MS = 15_000

export interface ShownVersion {
  readonly leaf: number
  readonly meta: VersionMeta
}

export interface ReleaseAsk {
  submissionRoot: Uint8Array
  /** Positions in the submission, ascending, or null for the list. */
  leaves: readonly number[] | null
  /** Chunk with which the fragment of the first leaf begins. @default 0 */
  firstChunk?: number
}

export class ReleaseStream {
  readonly member: MemberInfo
  /** What the custodian shows, proven to be in the submission. */
  readonly shown: readonly ShownVersion[]
  /** Number of versions in the submission, as the custodian says; where all of them are shown, the root proves it. */
  readonly total: number
  readonly index: number
  /** Proves what is shown against the submission's root. */
  readonly proof: readonly Uint8Array[]
  /** What is disputed of the versions that are shown, as the custodian says: the ledger proves which disputes there are. */
  readonly disputes: readonly ShownDispute[]
  readonly #channel: FrameChannel
  readonly #next: () => Promise<ReleaseFrame>
  /** Chunk with which the next fragment begins. */
  #firstChunk: number
  /** Bytes of chunks that came, and how long they were waited for, since it was last asked. */
  #served = { bytes: 0, waitedMs: 0 }

  private constructor(
    member: MemberInfo,
    channel: FrameChannel,
    next: () => Promise<ReleaseFrame>,
    shown: ShownVersion[],
    start: { total: number; index: number; proof: Uint8Array[] },
    disputes: ShownDispute[],
    firstChunk: number,
  ) {
    this.member = member
    this.#channel = channel
    this.#next = next
    this.shown = shown
    this.total = start.total
    this.index = start.index
    this.proof = start.proof
    this.disputes = disputes
    this.#firstChunk = firstChunk
  }

  /** Asks one custodian. @throws EpioneError `not-found` where it refuses, `behind` or `stale` where it is not up to date */
  static async open(
    peer: LightPeer,
    session: Session,
    member: MemberInfo,
    ask: ReleaseAsk,
    options: CallOptions = {},
  ): Promise<ReleaseStream> {
    const channel = await peer.nodes.openStream(member.organisation.networkKey, PROTOCOL.release, {
      ...options,
      maxFrame: MAX_FRAGMENT_FRAME,
    })
    try {
      const request = {
        chainId: peer.chainId,
        entry: session.entryId,
        folder: session.folder,
        custodian: member.id,
        peer: peer.nodes.network.networkKey,
        time: peer.now(),
        submissionRoot: ask.submissionRoot,
        leaves: ask.leaves === null ? null : [...ask.leaves],
        firstChunk: ask.firstChunk ?? 0,
      }
      await channel.send(
        releaseRequestCodec.encode({
          request: readRequestCodec.encode(request),
          signature: await signed(session.reader, readRequestBytes(request)),
          accessOpening: session.accessOpening,
          consentOpening: session.consentOpening,
          reason: session.reason ?? null,
        }),
      )
      const frames = channel.frames()[Symbol.asyncIterator]()
      const next = async (): Promise<ReleaseFrame> => await readFrame(frames, options.signal)
      const start = await next()
      if (start.type !== 'start') throw new MalformedError('the custodian did not begin as it should')
      const shown: ShownVersion[] = []
      while (shown.length < start.value.count) {
        const page = await next()
        if (page.type !== 'versions' || page.value.length === 0) throw new MalformedError('the custodian did not show its versions')
        shown.push(...page.value)
      }
      checkShown(shown, start.value, ask)
      const disputes: ShownDispute[] = []
      while (disputes.length < start.value.disputes) {
        const page = await next()
        if (page.type !== 'disputes' || page.value.length === 0) throw new MalformedError('the custodian did not show its disputes')
        disputes.push(...page.value)
      }
      return new ReleaseStream(member, channel, next, shown, start.value, disputes, ask.firstChunk ?? 0)
    } catch (error) {
      channel.abort(error instanceof Error ? error : new Error('the release was given up'))
      throw error
    }
  }

  /** The next fragment, as a source for the assembler. Its chunks must be read to the end before the one after it is asked for. */
  async nextFragment(shown: ShownVersion, code: { n: number; k: number }): Promise<FragmentSource> {
    const frame = await this.#next()
    if (frame.type !== 'fragment' || frame.value.leaf !== shown.leaf)
      throw new MalformedError('the custodian sent another fragment than it was asked for')
    const count = chunkCount(shown.meta.size, code.n, code.k)
    const chunkLeaves = [...frame.value.chunkLeaves]
    while (chunkLeaves.length < count) {
      const more = await this.#next()
      if (more.type !== 'leaves' || more.value.length === 0) throw new MalformedError('the custodian did not send all hashes of a fragment')
      chunkLeaves.push(...more.value)
    }
    const next = this.#next
    const served = (bytes: number, ms: number): void => {
      this.#served.bytes += bytes
      this.#served.waitedMs += ms
    }
    const begins = this.#firstChunk
    this.#firstChunk = 0
    return {
      index: this.index,
      fragmentRoot: frame.value.root,
      proof: frame.value.proof,
      chunkLeaves,
      async *open(firstChunk) {
        for (let i = begins; i < count; i++) {
          const asked = performance.now()
          const chunk = await next()
          if (chunk.type !== 'chunk') throw new MalformedError('the custodian did not send a chunk')
          served(chunk.value.length, performance.now() - asked)
          if (i >= firstChunk) yield chunk.value
        }
      },
    }
  }

  /** Bytes of fragments that came since this was last asked, and how long they were waited for, in ms. */
  takeServed(): { bytes: number; waitedMs: number } {
    const served = this.#served
    this.#served = { bytes: 0, waitedMs: 0 }
    return served
  }

  async close(): Promise<void> {
    await this.#channel.close().catch(() => undefined)
  }

  abort(): void {
    this.#channel.abort(new Error('the release was given up'))
  }
}

async function readFrame(frames: AsyncIterator<Uint8Array>, signal: AbortSignal | undefined): Promise<ReleaseFrame> {
  const timeout = Promise.withResolvers<never>()
  const timer = setTimeout(() => timeout.reject(new EpioneError('timeout', 'The custodian stopped sending.')), FRAME_TIMEOUT_MS)
  const abort = (): void => timeout.reject(signal?.reason)
  signal?.addEventListener('abort', abort)
  try {
    const { value, done } = await Promise.race([frames.next(), timeout.promise])
    if (done === true) throw new EpioneError('connection-lost', 'The custodian ended the release.')
    const frame = releaseFrameCodec.decode(value)
    if (frame.type === 'error') {
      const decoder = new TextDecoder()
      throw new EpioneError(decoder.decode(frame.value.code), decoder.decode(frame.value.message))
    }
    return frame
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

/** What is shown must be in the submission, and each part of it what the author committed to. */
function checkShown(shown: readonly ShownVersion[], start: { total: number; proof: Uint8Array[] }, ask: ReleaseAsk): void {
  const leaves = shown.map(({ leaf, meta }) => ({ index: leaf, leaf: versionLeafHash(meta.leaf) }))
  if (!equalBytes(merkleRootFromProof(start.total, leaves, start.proof), ask.submissionRoot)) {
    throw new EpioneError('invalid-proof', 'The custodian shows versions that are not in the submission.')
  }
  if (ask.leaves !== null && (shown.length !== ask.leaves.length || shown.some(({ leaf }, i) => leaf !== ask.leaves?.[i]))) {
    throw new MalformedError('the custodian showed other versions than it was asked for')
  }
  for (const { meta } of shown) {
    const right =
      equalBytes(sealedKeyHash(meta.sealedKey), meta.leaf.sealedKeyHash) &&
      equalBytes(classCommitment(meta.salt, meta.class, meta.dataTime), meta.leaf.classCommitment)
    if (!right) throw new EpioneError('invalid-proof', 'The custodian shows a key or a class that its author did not commit to.')
  }
}
