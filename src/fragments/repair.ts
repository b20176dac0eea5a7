/**
 * The masked sum by which a lost fragment comes back (DESIGN.md, section 8). A lost shard is a linear combination of any k others. Each
 * of k helpers sends its own term, XORed with one mask for every other helper; the two helpers of a pair XOR the same mask, so that all
 * of them cancel in the sum, and the sum is the lost fragment.
 *
 * What is seen of it: the masks of a pair are a pseudorandom stream under a key that these two alone can compute. The terms of any helpers but all of
 * them are, to whoever knows none of their masks, uniformly distributed: each pair with a helper outside has a mask
 * that appears once. So the receiver, who sees all k messages, learns their sum and nothing else. A receiver that c of the helpers side with learns
 * the c fragments that these hold anyway, and of the k - c others the sum of their terms; where c = k - 1 that is the
 * last one's fragment: k fragments, which those k could put together without any repair.
 */

import { KEYSTREAM_BLOCK, keystream } from '../crypto/keystream.ts'
import type { SealingKey } from '../crypto/sealing.ts'
import { codec, hash32, type Infer, integer, list, struct } from '../encoding/schema.ts'
import { type CodeParameters, checkCodeParameters } from './erasure.ts'
import { invertMatrix, multiply, multiplyMatrices, systematicMatrix } from './field.ts'
import { CHUNK_BYTES } from './layout.ts'

const maskContextCodec = codec(
  struct({
    chainId: hash32,
    folder: hash32,
    submissionRoot: hash32,
    /** Who receives, and which fragment. */
    custodian: hash32,
    index: integer(47),
    attempt: integer(0xffff_ffff, 1),
    /** Height of the entry in the ledger. */
    height: integer(),
    helpers: list(struct({ id: hash32, index: integer(47) }), 32, 2),
    dispersalRoot: hash32,
  }),
  4096,
)
/**
 * All that a helper's term depends on: the repair entry, which sets the coefficients, and the version. A mask is made from all of it,
 * so that no mask ever hides two different terms.
 */
export type MaskContext = Infer<typeof maskContextCodec>

export interface HelperKey {
  /** The helper's index. */
  readonly index: number
  /** Its sealing key as the ledger has it. */
  readonly sealingKey: Uint8Array
}

/**
 * What the shards of helpers are multiplied with to give the lost shard as their sum.
 * @param helpers k distinct indices, none of them `lost`
 */
export function repairCoefficients({ n, k }: CodeParameters, lost: number, helpers: readonly number[]): Uint8Array {
  checkCodeParameters({ n, k })
  const indices = new Set([lost, ...helpers])
  if (helpers.length !== k || indices.size !== k + 1 || [...indices].some(index => !Number.isInteger(index) || index < 0 || index >= n)) {
    throw new RangeError(`a repair takes ${k} distinct helpers beside the lost index, from 0 to ${n - 1}`)
  }
  const matrix = systematicMatrix(n, k)
  const inverse = invertMatrix(helpers.map(index => matrix[index] as Uint8Array))
  if (inverse === undefined) throw new RangeError('any k rows of the matrix have an inverse')
  return multiplyMatrices([matrix[lost] as Uint8Array], inverse)[0] as Uint8Array
}

/** Makes one helper's messages of one version. */
export class RepairMask {
  readonly #product: Uint8Array
  readonly #keys: readonly Uint8Array[]

  /** @param own index of this helper @param others the other k - 1 helpers */
  constructor(code: CodeParameters, context: MaskContext, own: number, key: SealingKey, others: readonly HelperKey[]) {
    const indices = context.helpers.map(({ index }) => index)
    const coefficient = repairCoefficients(code, context.index, indices)[indices.indexOf(own)]
    if (coefficient === undefined || others.length !== code.k - 1) throw new RangeError('a helper is one of k')
    this.#product = Uint8Array.from({ length: 256 }, (_, byte) => multiply(coefficient, byte))
    const info = maskContextCodec.encode(context)
    this.#keys = others.map(({ sealingKey }) => key.sharedKey(sealingKey, info))
  }

  /** The message for the chunk at `position`: coefficient x chunk, XORed with the masks. */
  mask(chunk: Uint8Array, position: number): Uint8Array {
    const out = new Uint8Array(chunk.length)
    const product = this.#product
    for (let i = 0; i < chunk.length; i++) out[i] = product[chunk[i] as number] as number
    const padded = Math.ceil(chunk.length / KEYSTREAM_BLOCK) * KEYSTREAM_BLOCK
    for (const key of this.#keys) addInto(out, keystream(key, position * CHUNK_BYTES, padded).subarray(0, chunk.length))
    return out
  }
}

/** The chunk that the messages of all k helpers sum up to. */
export function sumMessages(messages: readonly Uint8Array[]): Uint8Array {
  const sum = new Uint8Array(messages[0] as Uint8Array)
  for (const message of messages.slice(1)) addInto(sum, message)
  return sum
}

/** XORs `other` into `sum`, a word at a time where memory allows it. */
function addInto(sum: Uint8Array, other: Uint8Array): void {
  if (sum.length !== other.length) throw new RangeError('messages of one chunk have one length')
  let done = 0
  if (sum.byteOffset % 4 === 0 && other.byteOffset % 4 === 0) {
    const words = Math.floor(sum.length / 4)
    const [into, from] = [new Uint32Array(sum.buffer, sum.byteOffset, words), new Uint32Array(other.buffer, other.byteOffset, words)]
    for (let i = 0; i < words; i++) into[i] = (into[i] as number) ^ (from[i] as number)
    done = 4 * words
  }
  for (let i = done; i < sum.length; i++) sum[i] = (sum[i] as number) ^ (other[i] as number)
}
