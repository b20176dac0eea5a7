/** The asking side of the repair protocol: what others hold, what is to be kept of a submission, and their parts of sums. */

import { labelCommitment } from '../../contracts/folders-formats.ts'
import { equalBytes } from '../../encoding/bytes.ts'
import { EpioneError, MalformedError } from '../../encoding/errors.ts'
import { merkleRoot } from '../../encoding/merkle.ts'
import { dispersalRoot } from '../../fragments/dispersal.ts'
import { classCommitment, sealedKeyHash, versionLeafHash } from '../../fragments/formats.ts'
import type { FrameChannel } from '../../network/frames.ts'
import type { Network } from '../../network/network.ts'
import { MAX_FRAGMENT_FRAME, PROTOCOL } from '../../network/protocols.ts'
import { type RepairReply, type RepairRequest, repairReplyCodec, repairRequestCodec } from '../../network/repair-messages.ts'
import type { Placed } from './holdings.ts'
import type { ErasedLeaf, HeldVersion, Submission } from './submissions.ts'

/** Longest wait for a member's next frame, in ms. */
const FRAME_TIMEOUT_MS = 20_000

type FrameValues = { [F in RepairReply as F['type']]: F['value'] }

/** One question to one member, and the frames of its answer. */
export class RepairStream {
  readonly peer: Uint8Array
  readonly #channel: FrameChannel
  readonly #frames: AsyncIterator<Uint8Array>

  private constructor(peer: Uint8Array, channel: FrameChannel) {
    this.peer = peer
    this.#channel = channel
    this.#frames = channel.frames()[Symbol.asyncIterator]()
  }

  /** @throws EpioneError as `Network.openStream` */
  static async ask(
    network: Pick<Network, 'openStream'>,
    peer: Uint8Array,
    request: RepairRequest,
    signal: AbortSignal,
  ): Promise<RepairStream> {
    const channel = await network.openStream(peer, PROTOCOL.repair, { signal, maxFrame: MAX_FRAGMENT_FRAME, timeoutMs: FRAME_TIMEOUT_MS })
    const stream = new RepairStream(peer, channel)
    try {
      await channel.send(repairRequestCodec.encode(request))
      return stream
    } catch (error) {
      stream.abort()
      throw error
    }
  }

  /** @throws EpioneError what the member refused with, `connection-lost`, `timeout`; MalformedError */
  async next(): Promise<RepairReply> {
    const { value, done } = await this.#frames.next()
    if (done === true) throw new EpioneError('connection-lost', 'The member ended the stream before the answer was whole.')
    const reply = repairReplyCodec.decode(value)
    if (reply.type !== 'error') return reply
    const decoder = new TextDecoder()
    throw new EpioneError(decoder.decode(reply.value.code), decoder.decode(reply.value.message), { metadata: { remote: true } })
  }

  async expect<T extends RepairReply['type']>(type: T): Promise<FrameValues[T]> {
    const reply = await this.next()
    if (reply.type !== type) throw new MalformedError(`expected a frame "${type}", not "${reply.type}"`)
    return reply.value as FrameValues[T]
  }

  async end(): Promise<void> {
    await this.expect('end')
    await this.#channel.close()
  }

  abort(): void {
    this.#channel.abort(new EpioneError('aborted', 'The repair was given up.'))
  }
}

/** Which of these submissions a member says it holds in whole. */
export async function askInventory(network: Network, peer: Uint8Array, roots: Uint8Array[], signal: AbortSignal): Promise<boolean[]> {
  const stream = await RepairStream.ask(network, peer, { type: 'inventory', value: { roots } }, signal)
  try {
    const held = await stream.expect('held')
    if (held.length !== roots.length) throw new MalformedError('an inventory has one answer for each question')
    await stream.end()
    return held
  } catch (error) {
    stream.abort()
    throw error
  }
}

export interface ToKeep {
  readonly label: Submission['label']
  readonly labelSalt: Uint8Array
  readonly versions: readonly (HeldVersion | ErasedLeaf)[]
}

/**
 * What is to be kept of a submission, from a member that has it, checked against the ledger.
 * @param label the folder's commitment to its label
 */
export async function askMetas(
  network: Pick<Network, 'openStream'>,
  peer: Uint8Array,
  placed: Placed,
  label: Uint8Array,
  signal: AbortSignal,
): Promise<ToKeep> {
  const { folder, root: submissionRoot } = placed
  const stream = await RepairStream.ask(network, peer, { type: 'metas', value: { folder, submissionRoot } }, signal)
  try {
    const submission = await stream.expect('submission')
    const versions: (HeldVersion | ErasedLeaf)[] = []
    while (versions.length < submission.versions) {
      for (const { value } of await stream.expect('versions')) versions.push(value)
    }
    if (versions.length > submission.versions) throw new MalformedError('the submission has another number of versions than was said')
    await stream.end()
    if (!equalBytes(labelCommitment(submission.labelSalt, submission.label), label))
      throw new MalformedError('the label is not the committed one')
    checkVersions(placed, versions)
    return { label: submission.label, labelSalt: submission.labelSalt, versions }
  } catch (error) {
    stream.abort()
    throw error
  }
}

/** The versions must be those of the anchored root, each with its right key, class and fragment roots. @throws MalformedError */
function checkVersions({ root, anchor }: Placed, versions: readonly (HeldVersion | ErasedLeaf)[]): void {
  const hashes = versions.map(version => ('leafHash' in version ? version.leafHash : versionLeafHash(version.meta.leaf)))
  if (!equalBytes(merkleRoot(hashes), root)) throw new MalformedError('the versions are not those of the submission')
  for (const version of versions) {
    if ('leafHash' in version) continue
    const { meta, fragmentRoots } = version
    const right =
      equalBytes(sealedKeyHash(meta.sealedKey), meta.leaf.sealedKeyHash) &&
      equalBytes(classCommitment(meta.salt, meta.class, meta.dataTime), meta.leaf.classCommitment) &&
      equalBytes(dispersalRoot(fragmentRoots, anchor.n, anchor.k, meta.size), meta.leaf.dispersalRoot)
    if (!right) throw new MalformedError('a version is not the committed one')
  }
}

/** The parts of k members of the sums over the same versions, read in step. */
export class SumStreams {
  readonly #streams: readonly RepairStream[]

  private constructor(streams: readonly RepairStream[]) {
    this.#streams = streams
  }

  /** @throws what the first member that fails throws */
  static async open(
    network: Pick<Network, 'openStream'>,
    peers: readonly Uint8Array[],
    ask: Extract<RepairRequest, { type: 'sums' }>['value'],
    signal: AbortSignal,
  ): Promise<SumStreams> {
    const opened = await Promise.allSettled(
      peers.map(async peer => await RepairStream.ask(network, peer, { type: 'sums', value: ask }, signal)),
    )
    const streams = opened.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
    const failed = opened.findIndex(result => result.status === 'rejected')
    if (failed < 0) return new SumStreams(streams)
    for (const stream of streams) stream.abort()
    throw new HelperFailure(peers[failed] as Uint8Array, (opened[failed] as PromiseRejectedResult).reason)
  }

  /** Begins the version at `leaf`; gives whether each member, in their order, has a part of it. @throws HelperFailure */
  async begin(leaf: number): Promise<boolean[]> {
    return await this.#each(
      this.#streams.map(() => true),
      async stream => {
        const reply = await stream.next()
        if ((reply.type !== 'version' && reply.type !== 'without') || reply.value.leaf !== leaf) {
          throw new MalformedError('the answer is about another version')
        }
        return reply.type === 'version'
      },
    )
  }

  /** The next chunk of each member that has a part; what the others have not is left out. @throws HelperFailure */
  async chunks(has: readonly boolean[], length: number): Promise<Uint8Array[]> {
    return await this.#each(has, async stream => {
      const chunk = await stream.expect('chunk')
      if (chunk.length !== length) throw new MalformedError('a chunk has a wrong length')
      return chunk
    })
  }

  async end(): Promise<void> {
    await this.#each(
      this.#streams.map(() => true),
      async stream => await stream.end(),
    )
  }

  abort(): void {
    for (const stream of this.#streams) stream.abort()
  }

  async #each<T>(which: readonly boolean[], read: (stream: RepairStream) => Promise<T>): Promise<T[]> {
    return await Promise.all(
      this.#streams
        .filter((_, i) => which[i])
        .map(async stream => {
          try {
            return await read(stream)
          } catch (error) {
            throw new HelperFailure(stream.peer, error)
          }
        }),
    )
  }
}

/** What one helper failed with. */
export class HelperFailure extends EpioneError {
  readonly peer: Uint8Array

  constructor(peer: Uint8Array, cause: unknown) {
    super('helper-failed', 'A helper of a repair failed.', { cause })
    this.peer = peer
  }
}
