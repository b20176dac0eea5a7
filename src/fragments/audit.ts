/**
 * Storage audits: how a custodian shows that it has its fragment without giving any of it away. A challenge picks a version, a chunk and
 * random coefficients in GF(2^8); the answer is two inner products with them, of the chunk or, where it is short, of its digest. Fragments are a codeword at every
 * place, so the answers of all custodians of a version are one, too: whoever answers with other bytes than it was given stands out, and
 * nobody has to hold the fragment of another to see it. (After HAIL: Bowers, Juels, Oprea, CCS 2009.)
 */
import { shake256 } from '../crypto/platform.ts'
import { toHex } from '../encoding/bytes.ts'
import { taggedHash } from '../encoding/hash.ts'
import { nearestCodeword } from './codeword.ts'
import type { CodeParameters } from './erasure.ts'
import { multiply } from './field.ts'
import { chunkCount } from './layout.ts'

/** Length of an answer, in bytes: wrong bytes give a right one once in 65,536 times. */
export const FINGERPRINT_BYTES = 2
/** Nonces that a challenger may choose from, and with the period below all that one can learn in a day: 4 x 2 bytes of a submission's fragment. */
export const AUDIT_NONCES = 4
/** Span of time whose first block is the one that challenges stand on, in ms. */
export const AUDIT_PERIOD_MS = 24 * 60 * 60 * 1000

/**
 * Chunks of at most so many bytes are asked for combinations of a few fixed sums alone, their digest: a fragment of 48 bytes would otherwise be told
 * within days. All that challenges by whomever ever tell of such a chunk is its digest.
 */
export const SHORT_CHUNK_BYTES = 4096
/** Bytes of the digest of a short chunk; at most half the chunk. */
const DIGEST_BYTES = 16

export interface Challenge {
  /** Hash of the first block of the present period. */
  readonly block: Uint8Array
  /** Account of the challenger: what one is told is of no use to answer another. */
  readonly challenger: Uint8Array
  readonly submissionRoot: Uint8Array
  readonly nonce: number
}

/** All that a challenge asks follows from this. */
export function challengeSeed({ block, challenger, submissionRoot, nonce }: Challenge): Uint8Array {
  return taggedHash('audit', block, challenger, submissionRoot, Uint8Array.of(nonce))
}

/** The version that is asked for, of as many as the submission has. */
export function pickedLeaf(seed: Uint8Array, versions: number): number {
  return pick('audit-leaf', seed, versions)
}

/** The chunk that is asked for, of a version of `size` bytes of ciphertext. */
export function pickedChunk(seed: Uint8Array, size: number, { n, k }: CodeParameters): number {
  return pick('audit-chunk', seed, chunkCount(size, n, k))
}

/** A number below `count`, which is at most 2^24: with 32 bits of hash no number is favoured by more than 0.4 %. */
function pick(tag: string, seed: Uint8Array, count: number): number {
  const hash = taggedHash(tag, seed)
  return new DataView(hash.buffer, hash.byteOffset).getUint32(0) % count
}

/**
 * What a custodian answers for a chunk: two inner products with random rows, of the chunk itself or, where it is short, of its digest. Linear in
 * the chunk, and alike for all fragments of a version, so that answers are a codeword as the chunks are.
 * @param dispersalRoot of the version; the digest is the same whichever submission brought it
 */
export function fingerprint(seed: Uint8Array, dispersalRoot: Uint8Array, chunk: Uint8Array): Uint8Array {
  const digest = Math.min(DIGEST_BYTES, chunk.length >> 1)
  const asked = chunk.length <= SHORT_CHUNK_BYTES ? products(taggedHash('audit-digest', dispersalRoot), digest, chunk) : chunk
  return products(taggedHash('audit-rows', seed), FINGERPRINT_BYTES, asked)
}

/** Inner products of a vector over GF(2^8) with `count` rows that follow from `seed`. */
function products(seed: Uint8Array, count: number, vector: Uint8Array): Uint8Array {
  const rows = shake256(seed, count * vector.length)
  return Uint8Array.from({ length: count }, (_, row) => {
    const from = row * vector.length
    let sum = 0
    for (let i = 0; i < vector.length; i++) sum ^= multiply(rows[from + i] as number, vector[i] as number)
    return sum
  })
}

/** What a custodian says it holds, by the custodian's index. */
export interface Answer {
  readonly versions: number
  readonly size: number
  readonly fingerprint: Uint8Array
}

/**
 * Which answers to one challenge are right, by index; undefined where too few came to tell. With as many right ones as make the answers
 * one codeword beyond doubt, at least (answers + k) / 2, the others are wrong. That is never too few, and never blames the wrong one, while silent and lying custodians
 * together are at most f of n = 3f + 1, k = f + 1 - of what was dispersed rightly: a writer that dispersed no codeword makes a faithful custodian
 * look like a liar, so that wrong answers about one writer's submissions alone prove nothing.
 */
export function judgeAnswers(code: CodeParameters, answers: readonly (Answer | undefined)[]): (boolean | undefined)[] | undefined {
  const count = answers.filter(answer => answer !== undefined).length
  if (count <= code.k) return undefined
  const mayDiffer = Math.floor((count - code.k) / 2)
  const shapeOf = ({ versions, size }: Answer): string => `${versions} ${size}`
  for (const shape of new Set(answers.flatMap(answer => (answer === undefined ? [] : [shapeOf(answer)])))) {
    const same = answers.map(answer => (answer !== undefined && shapeOf(answer) === shape ? answer.fingerprint : undefined))
    const others = count - same.filter(value => value !== undefined).length
    const left = mayDiffer - others
    if (left < 0) continue
    const codeword = nearestCodeword(code, same, left)
    if (codeword === undefined) continue
    return answers.map((answer, index) => {
      if (answer === undefined) return undefined
      const value = same[index]
      return value !== undefined && toHex(value) === toHex(codeword[index] as Uint8Array)
    })
  }
  return undefined
}
