/**
 * The first byte of every answer: 0 and the payload follows, 1 and the reason of the refusal follows as the canonical list
 * [code, message], with a third item where it is worth while to come back: after how many ms. A stream of frames is opened by such an answer without payload.
 */
import { type Canonical, decodeCanonical, encodeCanonical } from '../encoding/cbor.ts'
import { EpioneError, MalformedError } from '../encoding/errors.ts'

/** Bytes that the status adds to an answer's payload, at most. */
export const STATUS_BYTES = 1
/** Longest message of a refusal, in characters. */
const MAX_MESSAGE = 300
/** Longest refusal, in bytes: a character takes up to three. */
export const MAX_REFUSAL = 1024
/** Longest time after which a peer may ask to come back, in ms. */
const MAX_RETRY_AFTER_MS = 600_000
const CODE = /^[a-z-]{1,48}$/

export const OK_STATUS = Uint8Array.of(0)
const ERROR_STATUS = Uint8Array.of(1)

/** A refusal as bytes. What was not thrown on purpose is told as `internal`, without its message. */
export function encodeRefusal(error: unknown): Uint8Array {
  const known = error instanceof EpioneError && CODE.test(error.code)
  const code = known ? error.code : 'internal'
  const message = known ? error.message : 'The node failed to answer; its log says why.'
  const after = known ? error.metadata?.retryAfterMs : undefined
  const body = encodeCanonical([code, clean(message), ...(isRetry(after) ? [after] : [])])
  const out = new Uint8Array(1 + body.length)
  out.set(ERROR_STATUS)
  out.set(body, 1)
  return out
}

/**
 * The payload of an answer.
 * @throws EpioneError with the peer's code, or MalformedError
 */
export function readReply(reply: Uint8Array): Uint8Array {
  if (reply[0] === 0) return reply.subarray(1)
  if (reply[0] !== 1) throw new MalformedError('answer has no status')
  const value: Canonical = decodeCanonical(reply.subarray(1), { maxBytes: MAX_REFUSAL })
  if (!Array.isArray(value) || value.length < 2 || value.length > 3) throw new MalformedError('refusal is not a code and a message')
  const [code, message, retryAfterMs] = value as readonly Canonical[]
  if (typeof code !== 'string' || !CODE.test(code) || typeof message !== 'string') {
    throw new MalformedError('refusal is not a code and a message')
  }
  if (value.length === 3 && !isRetry(retryAfterMs)) throw new MalformedError('refusal does not say when to come back')
  throw new EpioneError(code, clean(message), { metadata: { remote: true, ...(isRetry(retryAfterMs) ? { retryAfterMs } : {}) } })
}

function isRetry(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= MAX_RETRY_AFTER_MS
}

/** Without what could write into a terminal or a log line of its own. */
function clean(message: string): string {
  return message
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
    .slice(0, MAX_MESSAGE)
    .toWellFormed()
}
