/** Transactions: what members and folders ask of the ledger. */

import { type SigningKey, verifySignature } from '../crypto/signature.ts'
import { concat } from '../encoding/bytes.ts'
import { domain, taggedHash } from '../encoding/hash.ts'
import { byteString, codec, fixedBytes, hash32, type Infer, integer, list, nullable, oneOf, struct, text } from '../encoding/schema.ts'
import { MAX_TRANSACTION_BYTES } from './limits.ts'

/** Who acts: a member's account, or a folder by its owner or recovery key. */
const originSchema = struct({ kind: oneOf('account', 'folder'), id: hash32 })

const contentSchema = struct({
  /** Hash of the genesis document: a transaction is good on one chain alone. */
  chainId: hash32,
  from: originSchema,
  /** Last block time at which it may be executed, in ms; at most one hour ahead of the block that executes it. */
  validUntil: integer(),
  /** Random bytes that keep two otherwise equal transactions apart. */
  nonce: fixedBytes(16),
  contract: text(32, /^[a-z-]+$/),
  action: text(32, /^[a-z-]+$/),
  /** Canonical bytes of the action's own message. */
  body: byteString(MAX_TRANSACTION_BYTES),
  /** Member account that is charged and countersigns; null where the action needs none or the author is a member. */
  sponsor: nullable(hash32),
})

const signatureSchema = struct({ publicKey: fixedBytes(32), signature: fixedBytes(64) })

/** On the wire: the signed bytes as they are, and the signatures: the author's first, then the sponsor's where there is one. */
const envelopeSchema = struct({ content: byteString(MAX_TRANSACTION_BYTES), signatures: list(signatureSchema, 2, 1) })

export type Origin = Infer<typeof originSchema>
export type TransactionContent = Infer<typeof contentSchema>
export type TransactionSignature = Infer<typeof signatureSchema>

const contentCodec = codec(contentSchema, MAX_TRANSACTION_BYTES)
const envelopeCodec = codec(envelopeSchema, MAX_TRANSACTION_BYTES)

/** A transaction as it travels and is stored. `id` names the signed bytes; `bytes` is the whole, signatures included. */
export interface Transaction {
  readonly id: Uint8Array
  readonly bytes: Uint8Array
  /** The signed bytes. */
  readonly signed: Uint8Array
  readonly content: TransactionContent
  readonly signatures: readonly TransactionSignature[]
}

/** Bytes that author and sponsor sign. */
function signingBytes(signed: Uint8Array): Uint8Array {
  return concat(domain('transaction'), signed)
}

/** Id of a transaction: hash of the signed bytes, so that another signature over the same act is the same act. */
export function transactionId(signed: Uint8Array): Uint8Array {
  return taggedHash('transaction-id', signed)
}

/** Signs an act. The sponsor's signature, where one is named, is added by {@link countersign}. */
export function createTransaction(content: TransactionContent, author: SigningKey): Transaction {
  const signed = contentCodec.encode(content)
  return assemble(signed, content, [{ publicKey: author.publicKey, signature: author.sign(signingBytes(signed)) }])
}

/** Adds the sponsor's signature. */
export function countersign(transaction: Transaction, sponsor: SigningKey): Transaction {
  const signature = { publicKey: sponsor.publicKey, signature: sponsor.sign(signingBytes(transaction.signed)) }
  return assemble(transaction.signed, transaction.content, [transaction.signatures[0] as TransactionSignature, signature])
}

function assemble(signed: Uint8Array, content: TransactionContent, signatures: TransactionSignature[]): Transaction {
  return { id: transactionId(signed), bytes: envelopeCodec.encode({ content: signed, signatures }), signed, content, signatures }
}

/** Reads a transaction strictly, without checking signatures. @throws MalformedError */
export function decodeTransaction(bytes: Uint8Array): Transaction {
  const { content: signed, signatures } = envelopeCodec.decode(bytes)
  return { id: transactionId(signed), bytes, signed, content: contentCodec.decode(signed), signatures }
}

/** The (key, message, signature) triples to check, for callers that verify many at once off the main thread. */
export function signatureChecks(transaction: Transaction): { publicKey: Uint8Array; message: Uint8Array; signature: Uint8Array }[] {
  const message = signingBytes(transaction.signed)
  return transaction.signatures.map(({ publicKey, signature }) => ({ publicKey, message, signature }))
}

/**
 * Whether every signature is right for the key beside it, and the sponsor's is there where a sponsor is named. Whether these
 * keys may act is for the contracts to say: that depends on the state.
 */
export function verifyTransaction(transaction: Transaction): boolean {
  if (!hasSignatureShape(transaction)) return false
  return signatureChecks(transaction).every(check => verifySignature(check.publicKey, check.message, check.signature))
}

/** One signature without a sponsor, two with one (before the sponsor signs, the shape is not yet right). */
export function hasSignatureShape(transaction: Transaction): boolean {
  return transaction.signatures.length === (transaction.content.sponsor === null ? 1 : 2)
}
