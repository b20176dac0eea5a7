/** The asking side of the protocols. */
import type { Connection, Stream } from '@libp2p/interface'
import { EpioneError } from '../encoding/errors.ts'
import { type Deadline, startDeadline } from './deadline.ts'
import { translateError } from './errors.ts'
import { encodeFrame } from './frame-decoder.ts'
import { closeStream, createFrameChannel, type FrameChannel, FrameReader, sendFrame, writeTo } from './frames.ts'
import { networkKeyOf } from './peer.ts'
import { MAX_REFUSAL, readReply, STATUS_BYTES } from './reply.ts'

/** Streams of one protocol that may be open to one peer; the peer's own limit is the one that counts. */
export const MAX_OUTBOUND_STREAMS = 1_024
/** Longest wait for a stream to be accepted, in ms. */
const OPEN_TIMEOUT_MS = 10_000

export interface RequestOptions {
  signal?: AbortSignal
  /** For everything: dialling, asking, the answer's last byte. */
  timeoutMs: number
  /** Longest answer that is read, in bytes. */
  maxResponse: number
}

export interface OpenStreamOptions {
  signal?: AbortSignal
  /** Longest frame in either direction, in bytes. */
  maxFrame: number
  /** Longest wait for the peer's next whole frame, or for it to take ours; without it only the connection's end ends a wait. */
  timeoutMs?: number
}

const OPENING_FRAME = encodeFrame()

/** Opens a stream on a connection, with errors translated. */
export async function newStream(connection: Connection, protocol: string, signal: AbortSignal): Promise<Stream> {
  try {
    return await connection.newStream(protocol, { signal, maxOutboundStreams: MAX_OUTBOUND_STREAMS })
  } catch (error) {
    throw signal.aborted ? signal.reason : translateError(error, 'stream')
  }
}

/**
 * Asks once.
 * @throws EpioneError with the peer's code (metadata `remote: true`), or `unreachable`, `timeout`, `aborted`, `unsupported`, `busy`,
 * `connection-lost`, `malformed`
 */
export async function request(
  connect: (signal: AbortSignal) => Promise<Connection>,
  protocol: string,
  bytes: Uint8Array,
  options: RequestOptions,
): Promise<Uint8Array> {
  const deadline = startDeadline(options)
  let stream: Stream | undefined
  try {
    stream = await newStream(await connect(deadline.signal), protocol, deadline.signal)
    const reader = new FrameReader(stream, { maxFrame: Math.max(options.maxResponse, MAX_REFUSAL) + STATUS_BYTES })
    // The answer is awaited while the request is still being sent: a peer that refuses does not read on.
    const sending = send(stream, bytes, deadline)
    sending.catch(() => undefined)
    const answer = await reader.next({ signal: deadline.signal })
    if (answer === undefined) {
      await sending
      throw new EpioneError('connection-lost', 'The peer ended the stream without an answer.')
    }
    const payload = readReply(answer)
    if (payload.length > options.maxResponse) {
      throw new EpioneError('too-large', `The answer has ${payload.length} bytes, more than the ${options.maxResponse} asked for.`)
    }
    void closeStream(stream, reader)
    return payload
  } catch (error) {
    const failure = deadline.signal.aborted ? deadline.signal.reason : translateError(error, stream === undefined ? 'dial' : 'stream')
    stream?.abort(failure)
    throw failure
  } finally {
    deadline.clear()
  }
}

async function send(stream: Stream, bytes: Uint8Array, deadline: Deadline): Promise<void> {
  await sendFrame(stream, bytes, deadline)
  await stream.close(deadline)
}

/** Opens a stream of frames and waits until the peer accepted it. Errors as for `request`. */
export async function openStream(
  connect: (signal: AbortSignal) => Promise<Connection>,
  protocol: string,
  options: OpenStreamOptions,
): Promise<FrameChannel> {
  const deadline = startDeadline({ timeoutMs: OPEN_TIMEOUT_MS, signal: options.signal })
  let stream: Stream | undefined
  try {
    const connection = await connect(deadline.signal)
    stream = await newStream(connection, protocol, deadline.signal)
    writeTo(stream, OPENING_FRAME)
    const reader = await accepted(stream, options.maxFrame, deadline.signal)
    const peer = networkKeyOf(connection.remotePeer)
    if (peer === undefined) throw new EpioneError('bad-key', 'The peer has no Ed25519 key.')
    return createFrameChannel(peer, stream, reader, {
      maxFrame: options.maxFrame,
      opener: 'self',
      timeoutMs: options.timeoutMs,
      signal: options.signal,
    })
  } catch (error) {
    const failure = deadline.signal.aborted ? deadline.signal.reason : translateError(error, stream === undefined ? 'dial' : 'stream')
    stream?.abort(failure)
    throw failure
  } finally {
    deadline.clear()
  }
}

/** Waits for the peer's word that it serves the stream. */
export async function accepted(stream: Stream, maxFrame: number, signal: AbortSignal): Promise<FrameReader> {
  const reader = new FrameReader(stream, { maxFrame: Math.max(maxFrame, MAX_REFUSAL) })
  const status = await reader.next({ signal })
  if (status === undefined) throw new EpioneError('connection-lost', 'The peer ended the stream before serving it.')
  readReply(status)
  return reader
}
