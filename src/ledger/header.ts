/** Block headers and validator sets. */
import { taggedHash } from '../encoding/hash.ts'
import { codec, fixedBytes, hash32, type Infer, integer, list, struct } from '../encoding/schema.ts'
import { MAX_HEADER_BYTES, MAX_VALIDATORS } from './limits.ts'

/** Version of the block format that this code writes. */
export const BLOCK_VERSION = 1

const headerSchema = struct({
  chainId: hash32,
  version: integer(0xffff, 1),
  /** 0 is genesis, which has no certificate. */
  height: integer(),
  /** Milliseconds since the epoch, strictly above the parent's. */
  time: integer(),
  /** Hash of the parent's header; 32 zero bytes at genesis. */
  parent: hash32,
  /** Consensus public key of the validator that proposed it first; 32 zero bytes at genesis. */
  proposer: hash32,
  /** RFC 6962 root over the block's transaction bytes. */
  transactionsRoot: hash32,
  /** Root of the state after this block. */
  stateRoot: hash32,
  /** RFC 6962 root over the block's receipts. */
  receiptsRoot: hash32,
  /** Hash of the validators that sign this height. */
  validatorsHash: hash32,
  /** Hash of the validators that sign the next height. */
  nextValidatorsHash: hash32,
})

export type Header = Infer<typeof headerSchema>
export const headerCodec = codec(headerSchema, MAX_HEADER_BYTES)

/** Id of a block: hash of its header. */
export function headerHash(header: Header): Uint8Array {
  return taggedHash('header', headerCodec.encode(header))
}

const validatorSchema = struct({
  /** Ed25519 consensus key: the validator's id in votes and certificates. */
  publicKey: fixedBytes(32),
  /** Voting weight. */
  power: integer(1_000_000_000, 1),
})
const validatorSetSchema = struct({
  /** Ascending by public key, no key twice. */
  validators: list(validatorSchema, MAX_VALIDATORS),
  /** Height from which this set signs: where its rotation of proposers starts. */
  since: integer(),
})

export type Validator = Infer<typeof validatorSchema>
export type ValidatorSet = Infer<typeof validatorSetSchema>
export const validatorSetCodec = codec(validatorSetSchema, 32 * 1024)

export function validatorSetHash(set: ValidatorSet): Uint8Array {
  return taggedHash('validators', validatorSetCodec.encode(set))
}

/** Sum of the weights. */
export function totalPower(set: ValidatorSet): number {
  return set.validators.reduce((sum, validator) => sum + validator.power, 0)
}

/** Whether `power` is a quorum of `total`: strictly more than two thirds, in integers. */
export function isQuorum(power: number, total: number): boolean {
  return 3 * power > 2 * total
}

/** Whether `power` must contain an honest validator: strictly more than one third. */
export function isMoreThanThird(power: number, total: number): boolean {
  return 3 * power > total
}
