/** Turns what libp2p and the sockets throw into errors with epione's stable codes. */
import { EpioneError } from '../encoding/errors.ts'

const RESET = new Set([
  'StreamResetError',
  'StreamAbortedError',
  'StreamClosedError',
  'StreamStateError',
  'ConnectionClosedError',
  'ConnectionClosingError',
  'MuxerClosedError',
  'UnexpectedEOFError',
  'NotStartedError',
])
const REFUSED = new Set(['TooManyOutboundProtocolStreamsError', 'TooManyInboundProtocolStreamsError'])

/** What was being done when it failed: it decides the code of an error that has no meaning of its own. */
export type Phase = 'dial' | 'stream'

/** The error as an EpioneError: `unsupported`, `busy`, `timeout`, `connection-lost` or `unreachable`. */
export function translateError(error: unknown, phase: Phase): EpioneError {
  if (error instanceof EpioneError) return error
  const name = error instanceof Error ? error.name : ''
  if (name === 'UnsupportedProtocolError') {
    return new EpioneError('unsupported', 'The peer does not speak this protocol; it may run another version.', { cause: error })
  }
  if (name === 'TimeoutError') return timeoutError(error)
  if (REFUSED.has(name)) return new EpioneError('busy', 'Too many streams of this protocol are open; try again later.', { cause: error })
  if (phase === 'stream' || RESET.has(name)) {
    return new EpioneError('connection-lost', 'The connection to the peer was lost.', { cause: error })
  }
  return new EpioneError('unreachable', 'The peer cannot be reached at any known address; is it running?', { cause: error })
}

export function timeoutError(cause?: unknown): EpioneError {
  return new EpioneError('timeout', 'The peer did not answer in time.', { cause })
}

export function abortedError(cause?: unknown): EpioneError {
  return new EpioneError('aborted', 'The operation was given up by its caller.', { cause })
}

/** Why a node could not listen: `port-in-use`, `port-forbidden` or `listen-failed`. */
export function translateListenError(error: unknown): EpioneError {
  if (error instanceof EpioneError) return error
  const message = error instanceof Error ? error.message : String(error)
  const busy = /EADDRINUSE[^\n]*:(\d+)/.exec(message)
  if (busy !== null) {
    const port = Number(busy[1])
    return new EpioneError('port-in-use', `port ${port} is used by another program; choose another with --listen`, {
      metadata: { port },
      cause: error,
    })
  }
  const forbidden = /EACCES[^\n]*:(\d+)/.exec(message)
  if (forbidden !== null) {
    const port = Number(forbidden[1])
    return new EpioneError('port-forbidden', `port ${port} may not be opened by this user; choose one above 1023 with --listen`, {
      metadata: { port },
      cause: error,
    })
  }
  return new EpioneError('listen-failed', 'The node cannot listen at its addresses; check --listen.', { cause: error })
}
