/**
 * Last-signed guard (rule 9): what this key signed last, and with which lock, on disk before any signature leaves. It is a second line behind the write-ahead log: even with the log lost, nothing is signed twice.
 *
 * The file is two fixed slots on disk blocks of their own, each with a counter and a checksum, written in turn: a torn write
 * leaves the other slot, and what was in the torn one had not been sent.
 */
import { concat, equalBytes, u32, u64 } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { byteString, codec, fixedBytes, hash32, type Infer, integer, list, nullable, struct } from '../encoding/schema.ts'
import { MAX_ROUND } from '../ledger/certificate.ts'
import { crc32c } from './crc32c.ts'
import type { DurableFile } from './disk.ts'
import type { LockState } from './effects.ts'

const SLOT_BYTES = 4096
const HEAD = 16

/** Order of what a validator signs within a round. */
export const STEP = { proposal: 0, prevote: 1, precommit: 2 } as const

/** Signatures of one turn that are kept beside the last one: more are signed without a sync between only where rounds fly by. */
const MAX_EARLIER = 7
/** Longest message that is signed, in bytes. */
const MAX_MESSAGE_BYTES = 256

const signedSchema = struct({
  height: integer(),
  round: integer(MAX_ROUND),
  step: integer(2),
  message: byteString(MAX_MESSAGE_BYTES),
  signature: fixedBytes(64),
})
/** A signature and what it is for. */
export type Signed = Infer<typeof signedSchema>

const recordCodec = codec(
  struct({
    height: integer(),
    round: integer(MAX_ROUND),
    /** See {@link STEP}. */
    step: integer(2),
    /** Bytes that were signed; empty only in a guard that has signed nothing. */
    message: byteString(MAX_MESSAGE_BYTES),
    signature: nullable(fixedBytes(64)),
    lockedRound: integer(MAX_ROUND, -1),
    lockedBlock: nullable(hash32),
    validRound: integer(MAX_ROUND, -1),
    validBlock: nullable(hash32),
    /** What was signed before it since log and guard were last synced, oldest first. */
    earlier: list(signedSchema, MAX_EARLIER),
  }),
  SLOT_BYTES - HEAD,
)
export type GuardRecord = ReturnType<(typeof recordCodec)['decode']>

export interface SigningPlace {
  height: number
  round: number
  step: number
}

const NOTHING: GuardRecord = {
  height: 0,
  round: 0,
  step: 0,
  message: new Uint8Array(0),
  signature: null,
  lockedRound: -1,
  lockedBlock: null,
  validRound: -1,
  validBlock: null,
  earlier: [],
}

export class SigningGuard {
  readonly #file: DurableFile
  #last: GuardRecord
  #counter: number
  #dirty = false
  /** Whether what was signed so far is on disk, in the log as well: nobody needs to find it here any more. */
  #settled = false
  /** Whether the file was made just now: what was signed before is not known. */
  readonly created: boolean

  private constructor(file: DurableFile, created: boolean, last: GuardRecord, counter: number) {
    this.#file = file
    this.created = created
    this.#last = last
    this.#counter = counter
  }

  /** @throws EpioneError `guard-corrupt` where neither slot can be read: nothing may be signed then */
  static open(file: DurableFile): SigningGuard {
    // Creation writes both slots before anything is signed, so that an unreadable slot is always a torn or a damaged one. A
    // file shorter than that is a creation that a crash cut off.
    if (file.size < 2 * SLOT_BYTES) {
      for (const counter of [0, 1]) writeSlot(file, counter, NOTHING)
      file.syncNow()
      return new SigningGuard(file, true, NOTHING, 1)
    }
    const bytes = file.read(2 * SLOT_BYTES)
    const slots = [readSlot(bytes.subarray(0, SLOT_BYTES)), readSlot(bytes.subarray(SLOT_BYTES))].filter(slot => slot !== undefined)
    const newest = slots.sort((a, b) => b.counter - a.counter)[0]
    if (newest === undefined) {
      throw new EpioneError('guard-corrupt', 'The record of what this validator signed last is damaged: it must not sign anything.')
    }
    return new SigningGuard(file, false, newest.record, newest.counter)
  }

  /** What was signed last; `signature` is null where nothing was. */
  get last(): GuardRecord {
    return this.#last
  }

  /**
   * Signature for a place in the protocol. A place before the last one is refused, the same place gives the stored signature
   * for the same bytes alone. The signature must not leave before {@link sync} has settled.
   * @throws EpioneError `double-sign-refused`
   */
  sign(place: SigningPlace, message: Uint8Array, lock: LockState, sign: (message: Uint8Array) => Uint8Array): Uint8Array {
    const order = this.#last.signature === null ? 1 : compare(place, this.#last)
    if (order === 0 && equalBytes(message, this.#last.message)) return this.#last.signature as Uint8Array
    if (order <= 0) {
      throw new EpioneError('double-sign-refused', 'This validator has already signed at or beyond this height, round and step.', {
        metadata: {
          height: place.height,
          round: place.round,
          step: place.step,
          lastHeight: this.#last.height,
          lastRound: this.#last.round,
        },
      })
    }
    const signature = sign(message)
    const { height, round, step } = place
    const { last } = this
    const earlier = this.#settled || last.signature === null ? [] : [...last.earlier, { ...signedOf(last), signature: last.signature }]
    this.#last = { height, round, step, message, signature, ...lock, earlier: earlier.slice(-MAX_EARLIER) }
    this.#settled = false
    this.#dirty = true
    return signature
  }

  /** Learns from the log of a signature that this guard has not, such as after the loss of its newest slot. */
  observe(place: SigningPlace, message: Uint8Array, signature: Uint8Array): void {
    if (this.#last.signature !== null && compare(place, this.#last) <= 0) return
    const { lockedRound, lockedBlock, validRound, validBlock } = this.#last.height === place.height ? this.#last : NOTHING
    const { height, round, step } = place
    this.#last = { height, round, step, message, signature, lockedRound, lockedBlock, validRound, validBlock, earlier: [] }
    this.#dirty = true
  }

  /** Log and guard are on disk as they are. */
  settled(): void {
    this.#settled = true
  }

  /** Settles once the last signature's record is on disk. */
  async sync(): Promise<void> {
    if (!this.#dirty) return
    this.#dirty = false
    this.#counter++
    writeSlot(this.#file, this.#counter, this.#last)
    await this.#file.sync()
  }

  close(): void {
    this.#file.close()
  }
}

function signedOf({ height, round, step, message }: GuardRecord): Omit<Signed, 'signature'> {
  return { height, round, step, message }
}

function compare(a: SigningPlace, b: SigningPlace): number {
  return a.height - b.height || a.round - b.round || a.step - b.step
}

/** A slot is `counter (8) | length (4) | CRC-32C (4) | record`, zeros behind. */
function writeSlot(file: DurableFile, counter: number, record: GuardRecord): void {
  const payload = recordCodec.encode(record)
  const fields = concat(u64(counter), u32(payload.length))
  const slot = new Uint8Array(SLOT_BYTES)
  slot.set(concat(fields, u32(crc32c(fields, payload)), payload))
  file.write((counter % 2) * SLOT_BYTES, slot)
}

function readSlot(slot: Uint8Array): { counter: number; record: GuardRecord } | undefined {
  const view = new DataView(slot.buffer, slot.byteOffset, slot.length)
  const length = view.getUint32(8)
  if (length > SLOT_BYTES - HEAD) return undefined
  const payload = slot.slice(HEAD, HEAD + length)
  if (crc32c(slot.subarray(0, 12), payload) !== view.getUint32(12)) return undefined
  try {
    return { counter: Number(view.getBigUint64(0)), record: recordCodec.decode(payload) }
  } catch {
    return undefined
  }
}
