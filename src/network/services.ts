/** The serving side of the protocols: who may ask, how much, and how an answer or a refusal travels. */
import type { Connection, Stream } from '@libp2p/interface'
import { toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { type Budgets, type Busy, isBusy, type Slot } from './budgets.ts'
import { orAborted, startDeadline } from './deadline.ts'
import { encodeFrame } from './frame-decoder.ts'
import { closeStream, createFrameChannel, drained, type FrameChannel, FrameReader, writeTo } from './frames.ts'
import type { Logger } from './logger.ts'
import type { Members, Policy } from './members.ts'
import { networkKeyOf } from './peer.ts'
import { encodeRefusal, OK_STATUS } from './reply.ts'
import type { Offence } from './standing.ts'

/** Longest wait for a peer to take a refusal, in ms. */
const REFUSAL_TIMEOUT_MS = 2_000
/** When to come back with a stream of a protocol of which a peer has as many as it may, in ms. */
const STREAMS_RETRY_MS = 1_000

export interface RequestContext {
  /** Network key of the peer that asks. */
  readonly peer: Uint8Array
  /** Aborts when the time is up, the peer is gone or no longer allowed, or the node stops. */
  readonly signal: AbortSignal
  /**
   * Notes that the request waits for something to happen; the function that is given is called when it goes on. There are fewer places for that than
   * for requests, so that who waits keeps nobody from asking. @throws EpioneError `busy`
   */
  hold(): () => void
}

export interface RequestLimits {
  /** Longest request and longest response, in bytes. */
  maxRequest: number
  maxResponse: number
  /** From the opening of the stream to the last byte of the answer. */
  timeoutMs: number
  /** Requests of one peer that are served at once. */
  maxStreams: number
}

export interface StreamLimits {
  /** Longest frame in either direction, in bytes. */
  maxFrame: number
  /** Longest wait for the peer's next whole frame, or for it to take ours. */
  timeoutMs: number
  /** Streams of one peer that are open at once. */
  maxStreams: number
}

export type RequestHandler = (request: Uint8Array, context: RequestContext) => Promise<Uint8Array>
export type StreamServer = (channel: FrameChannel, context: RequestContext) => Promise<void>

export interface ServicesDeps {
  members: Members
  budgets: Budgets
  report(peer: Uint8Array, offence: Offence): void
  logger: Logger
}

interface Open {
  key: string
  policy: Policy
  abort(error: EpioneError): void
}

export class Services {
  readonly #deps: ServicesDeps
  readonly #open = new Set<Open>()
  #stopped = false

  constructor(deps: ServicesDeps) {
    this.#deps = deps
  }

  /** Ends what is being served to peers that may no longer ask. */
  recheck(): void {
    for (const open of [...this.#open]) {
      if (!this.#deps.members.allows(open.policy, open.key)) open.abort(notAMember())
    }
  }

  start(): void {
    this.#stopped = false
  }

  stop(): void {
    this.#stopped = true
    for (const open of [...this.#open]) open.abort(stopping())
  }

  /** A libp2p handler for requests with one answer. */
  requests(protocol: string, policy: Policy, handler: RequestHandler, limits: RequestLimits) {
    return this.#serve(protocol, policy, limits.maxStreams, { maxFrame: limits.maxRequest, timeoutMs: limits.timeoutMs }, async serving => {
      const { stream, reader, context, slot } = serving
      const request = await reader.next({ signal: context.signal })
      if (request === undefined) return
      const response = await orAborted(handler(request, context), context.signal)
      if (response.length > limits.maxResponse) {
        throw new EpioneError('too-large', `The answer has ${response.length} bytes; at most ${limits.maxResponse} are sent.`)
      }
      slot.charge(request.length + response.length)
      await reply(stream, encodeFrame(OK_STATUS, response), context.signal)
    })
  }

  /** A libp2p handler for streams of frames. */
  streams(protocol: string, policy: Policy, server: StreamServer, limits: StreamLimits) {
    return this.#serve(protocol, policy, limits.maxStreams, { maxFrame: limits.maxFrame }, async serving => {
      const { stream, reader, context, slot } = serving
      await reply(stream, encodeFrame(OK_STATUS), context.signal)
      serving.accepted = true
      const channel = createFrameChannel(context.peer, stream, reader, {
        maxFrame: limits.maxFrame,
        opener: 'peer',
        timeoutMs: limits.timeoutMs,
        signal: context.signal,
        onBytes: count => wait(slot.charge(count), context.signal),
        onMalformed: () => this.#deps.report(context.peer, 'malformed'),
      })
      await orAborted(server(channel, context), context.signal)
    })
  }

  #serve(
    protocol: string,
    policy: Policy,
    maxStreams: number,
    limits: { maxFrame: number; timeoutMs?: number },
    serve: (serving: Serving) => Promise<void>,
  ) {
    const { members, budgets } = this.#deps
    /** Streams by peer; bounded by the streams that libp2p lets a connection open. */
    const counts = new Map<string, number>()
    return async (stream: Stream, connection: Connection): Promise<void> => {
      const peer = networkKeyOf(connection.remotePeer)
      if (peer === undefined || this.#stopped) {
        stream.abort(stopping())
        return
      }
      const key = toHex(peer)
      const reader = new FrameReader(stream, { maxFrame: limits.maxFrame })
      if (!members.allows(policy, key)) return await refuse(stream, reader, notAMember())
      const count = counts.get(key) ?? 0
      const slot: Slot | Busy =
        count < maxStreams ? budgets.open(key, members.isMember(key)) : { shortage: 'streams', retryAfterMs: STREAMS_RETRY_MS }
      if (isBusy(slot)) return await refuse(stream, reader, busy(slot))
      counts.set(key, count + 1)
      const deadline = startDeadline({ timeoutMs: limits.timeoutMs })
      const onClose = (): void => deadline.abort(new EpioneError('connection-lost', 'The peer is gone.'))
      stream.addEventListener('close', onClose)
      const open: Open = { key, policy, abort: error => deadline.abort(error) }
      this.#open.add(open)
      const hold = (): (() => void) => {
        const held = slot.hold()
        if (isBusy(held)) throw busy(held)
        return held
      }
      const serving: Serving = { stream, reader, slot, context: { peer, signal: deadline.signal, hold }, accepted: false }
      try {
        await serve(serving)
        stream.removeEventListener('close', onClose)
        await closeStream(stream, reader, { after: 'heard' })
      } catch (error) {
        stream.removeEventListener('close', onClose)
        await this.#failed(protocol, serving, error)
      } finally {
        this.#open.delete(open)
        deadline.abort(stopping())
        deadline.clear()
        slot.release()
        const left = (counts.get(key) ?? 1) - 1
        if (left > 0) counts.set(key, left)
        else counts.delete(key)
        if (stream.status === 'open') stream.abort(stopping())
      }
    }
  }

  /** Everything that goes wrong in a handler ends here. */
  async #failed(protocol: string, serving: Serving, error: unknown): Promise<void> {
    const { stream, context, reader } = serving
    const known = error instanceof EpioneError
    if (reader.malformed && !serving.accepted) this.#deps.report(context.peer, 'malformed')
    if (!known)
      this.#deps.logger.error(
        { protocol, error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
        'a handler failed',
      )
    else this.#deps.logger.debug({ protocol, code: error.code }, 'a request was not answered')
    if (serving.accepted || stream.writeStatus !== 'writable') {
      stream.abort(known ? error : new EpioneError('internal', 'The handler failed.'))
      return
    }
    await refuse(stream, reader, error)
  }
}

interface Serving {
  stream: Stream
  reader: FrameReader
  slot: Slot
  context: RequestContext
  /** Whether the peer was told that its stream is served: after it a failure can only be a reset. */
  accepted: boolean
}

async function reply(stream: Stream, frame: Uint8Array, signal: AbortSignal): Promise<void> {
  if (!writeTo(stream, frame)) await drained(stream, { signal })
}

/** Tells the peer why it gets nothing. Never rejects. */
export async function refuse(stream: Stream, reader: FrameReader, error: unknown): Promise<void> {
  const deadline = startDeadline({ timeoutMs: REFUSAL_TIMEOUT_MS })
  try {
    reader.discard()
    await reply(stream, encodeFrame(encodeRefusal(error)), deadline.signal)
    await closeStream(stream, reader, { graceMs: REFUSAL_TIMEOUT_MS, after: 'ended' })
  } catch {
    stream.abort(new Error('the peer did not take its refusal'))
  } finally {
    deadline.clear()
  }
}

function wait(ms: number, signal: AbortSignal): Promise<void> | undefined {
  if (ms <= 0) return undefined
  let timer: NodeJS.Timeout | undefined
  const passed = new Promise<void>(resolve => {
    timer = setTimeout(resolve, ms)
  })
  return orAborted(passed, signal).finally(() => clearTimeout(timer))
}

function busy({ retryAfterMs }: Busy): EpioneError {
  return new EpioneError('busy', 'The node serves this peer as much as it can; try again later.', { metadata: { retryAfterMs } })
}

function notAMember(): EpioneError {
  return new EpioneError('not-a-member', 'This protocol is for members of the network; ask a member to have the organisation admitted.')
}

function stopping(): EpioneError {
  return new EpioneError('connection-lost', 'The node is stopping.')
}
