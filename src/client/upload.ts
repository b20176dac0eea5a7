/** The upload of a submission's fragments to one custodian. A failure is kept, and what follows does nothing: the others go on. */
import { verifySignature } from '../crypto/signature.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { storageReceiptBytes, storageReceiptCodec } from '../fragments/formats.ts'
import { fragmentLength } from '../fragments/layout.ts'
import { CHECK_BYTES_PER_SECOND, uploadFrameCodec, uploadReplyCodec, VERSIONS_PER_FRAME } from '../network/fragment-messages.ts'
import type { FrameChannel } from '../network/frames.ts'
import { MAX_FRAGMENT_FRAME, PROTOCOL } from '../network/protocols.ts'
import type { LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import type { SealedCiphertext } from './sealed-version.ts'

/** How long a custodian may take for one frame of an upload, in ms. */
const FRAME_TIMEOUT_MS = 20_000
/** How long a custodian may take to get everything onto its disk, or to check a ticket, in ms. */
const REPLY_TIMEOUT_MS = 60_000

export interface SignedReceipt {
  receipt: Uint8Array
  signature: Uint8Array
}

export interface UploadStart {
  ticket: Uint8Array
  signature: Uint8Array
  token: Uint8Array
  submissionRoot: Uint8Array
}

export class Upload {
  readonly member: MemberInfo
  readonly index: number
  error: unknown
  receipt: SignedReceipt | undefined
  /** Bytes of fragments that were sent. */
  sentBytes = 0
  readonly #peer: LightPeer
  readonly #start: UploadStart
  #channel: FrameChannel | undefined
  #replies: AsyncIterator<Uint8Array> | undefined
  /** Bytes of all fragments that it is to have. */
  #bytes = 0
  /** Where the custodian wants to begin: what is before it, it has. */
  #from = { version: 0, chunk: 0 }

  constructor(peer: LightPeer, member: MemberInfo, index: number, start: UploadStart) {
    this.#peer = peer
    this.member = member
    this.index = index
    this.#start = start
  }

  /** Whether something of it came before. */
  get resumed(): boolean {
    return this.#from.version > 0 || this.#from.chunk > 0
  }

  async begin(sealed: readonly SealedCiphertext[], options: CallOptions): Promise<void> {
    await this.#attempt(async () => {
      const { signal } = options
      const { n, k } = this.#peer.parameters
      this.#bytes = sealed.reduce((sum, { meta }) => sum + fragmentLength(meta.size, n, k), 0)
      const channel = await this.#peer.nodes.openStream(this.member.organisation.networkKey, PROTOCOL.upload, {
        ...options,
        ...(signal === undefined ? {} : { signal }),
        maxFrame: MAX_FRAGMENT_FRAME,
        // What it has already, it reads through before it answers.
        frameTimeoutMs: REPLY_TIMEOUT_MS + Math.ceil((2 * 1000 * this.#bytes) / CHECK_BYTES_PER_SECOND),
      })
      this.#channel = channel
      if (this.error !== undefined) this.cancel()
      this.#replies = channel.frames()[Symbol.asyncIterator]()
      const { ticket, signature, token } = this.#start
      await this.#write({ type: 'start', value: { ticket, signature, index: this.index, token } })
      for (let i = 0; i < sealed.length; i += VERSIONS_PER_FRAME) {
        await this.#write({ type: 'versions', value: sealed.slice(i, i + VERSIONS_PER_FRAME).map(({ meta }) => meta) })
      }
      const reply = await this.#reply()
      if (reply.type !== 'ready') throw new EpioneError('malformed', 'The custodian did not answer as it should.')
      this.#from = reply.value
    })
  }

  /** Sends a chunk, unless the custodian has it. */
  async send(version: number, sealed: SealedCiphertext, chunk: number, bytes: Uint8Array): Promise<void> {
    if (version < this.#from.version || (version === this.#from.version && chunk < this.#from.chunk)) return
    await this.#attempt(async () => {
      if (chunk > 0) await this.#write({ type: 'chunk', value: bytes })
      else await this.#write({ type: 'fragment', value: { roots: [...sealed.fragmentRoots], chunk: bytes } })
      this.sentBytes += bytes.length
    })
  }

  /** Waits for the custodian's signed word that everything is on its disk. */
  async finish(): Promise<void> {
    await this.#attempt(async () => {
      const reply = await this.#reply()
      if (reply.type !== 'receipt') throw new EpioneError('malformed', 'The custodian did not answer as it should.')
      const receipt = storageReceiptCodec.decode(reply.value.receipt)
      const right =
        equalBytes(receipt.chainId, this.#peer.chainId) &&
        equalBytes(receipt.submissionRoot, this.#start.submissionRoot) &&
        equalBytes(receipt.custodian, this.member.id) &&
        receipt.index === this.index &&
        receipt.bytes === this.#bytes &&
        verifySignature(this.member.organisation.signingKey, storageReceiptBytes(receipt), reply.value.signature)
      if (!right) throw new EpioneError('malformed', "The custodian's receipt does not hold.")
      this.receipt = reply.value
      void this.#channel?.close()
    })
  }

  /** Others are done, and this one is waited for no longer. */
  giveUp(): void {
    if (this.error !== undefined || this.receipt !== undefined) return
    this.error = new EpioneError('too-slow', 'The custodian lagged too far behind the others.')
    this.cancel()
  }

  cancel(): void {
    this.#channel?.abort(new Error('the upload was given up'))
  }

  async #write(frame: Parameters<typeof uploadFrameCodec.encode>[0]): Promise<void> {
    if (this.#channel === undefined) throw new EpioneError('connection-lost', 'There is no connection to the custodian.')
    await this.#channel.send(uploadFrameCodec.encode(frame), { signal: AbortSignal.timeout(FRAME_TIMEOUT_MS) })
  }

  async #reply() {
    const { value, done } = (await this.#replies?.next()) ?? { value: undefined, done: true }
    if (done === true || value === undefined) throw new EpioneError('connection-lost', 'The custodian ended the upload.')
    const reply = uploadReplyCodec.decode(value)
    if (reply.type === 'error') {
      const decoder = new TextDecoder()
      throw new EpioneError(decoder.decode(reply.value.code), decoder.decode(reply.value.message))
    }
    return reply
  }

  async #attempt(run: () => Promise<void>): Promise<void> {
    if (this.error !== undefined) return
    try {
      await run()
    } catch (error) {
      // A custodian that refuses says why and closes; the reason is worth more than the broken pipe that it causes.
      this.error ??= this.#replies === undefined ? error : await this.#reason(error)
      this.cancel()
    }
  }

  async #reason(error: unknown): Promise<unknown> {
    if (errorCode(error) !== 'connection-lost') return error
    try {
      await this.#reply()
    } catch (told) {
      return errorCode(told) === 'connection-lost' ? error : told
    }
    return error
  }
}
