/** Votes and commit certificates: the formats that consensus signs and that everybody verifies. */

import { verifySignature } from '../crypto/signature.ts'
import { compareBytes, concat, equalBytes } from '../encoding/bytes.ts'
import { EpioneError, MalformedError } from '../encoding/errors.ts'
import { domain } from '../encoding/hash.ts'
import { codec, fixedBytes, hash32, type Infer, integer, list, nullable, oneOf, struct } from '../encoding/schema.ts'
import { type Header, headerHash, isQuorum, totalPower, type ValidatorSet } from './header.ts'
import { MAX_VALIDATORS } from './limits.ts'

/** Highest round that is encoded. */
export const MAX_ROUND = 1_000_000

const voteContentSchema = struct({
  chainId: hash32,
  kind: oneOf('prevote', 'precommit'),
  height: integer(),
  round: integer(MAX_ROUND),
  /** Hash of the header voted for, or null for nil. */
  block: nullable(hash32),
})
const voteContentCodec = codec(voteContentSchema, 256)
export type VoteContent = Infer<typeof voteContentSchema>

/** Bytes that a validator signs for a vote. They hold no time, so that all precommits for a block are over the same bytes. */
export function voteSigningBytes(vote: VoteContent): Uint8Array {
  return concat(domain('vote'), voteContentCodec.encode(vote))
}

/** What {@link voteSigningBytes} were made of. @throws MalformedError where the bytes are those of no vote */
export function voteOfSigningBytes(bytes: Uint8Array): VoteContent {
  const prefix = domain('vote')
  if (!equalBytes(bytes.subarray(0, prefix.length), prefix)) throw new MalformedError('the bytes are not those of a vote')
  return voteContentCodec.decode(bytes.slice(prefix.length))
}

const commitSignatureSchema = struct({ validator: fixedBytes(32), signature: fixedBytes(64) })
const certificateSchema = struct({
  height: integer(),
  round: integer(MAX_ROUND),
  block: hash32,
  /** Ascending by validator, each at most once. */
  signatures: list(commitSignatureSchema, MAX_VALIDATORS),
})
export type CommitSignature = Infer<typeof commitSignatureSchema>
/** The quorum of precommits that makes a block final. */
export type Certificate = Infer<typeof certificateSchema>
export const certificateCodec = codec(certificateSchema, 64 * 1024)

/** Tells whether a signature fits; Ed25519 everywhere but in simulations. */
export type VerifySignature = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean

/**
 * Checks that a certificate makes a header final: its hash and height, known signers in order and once each, every
 * signature, and together more than two thirds of the weight. One wrong signature refuses the whole.
 * @throws EpioneError `invalid-certificate`
 */
export function verifyCertificate(
  header: Header,
  certificate: Certificate,
  validators: ValidatorSet,
  options: { verify?: VerifySignature } = {},
): void {
  const refuse = (reason: string): never => {
    throw new EpioneError('invalid-certificate', `The certificate for height ${header.height} is not valid: ${reason}.`, {
      metadata: { height: header.height },
    })
  }
  if (certificate.height !== header.height) refuse('it is for another height')
  if (!equalBytes(certificate.block, headerHash(header))) refuse('it is for another block')
  const power = certificatePower(header.chainId, certificate, validators, options)
  if (power === undefined) refuse('a signer or a signature is wrong')
  if (!isQuorum(power as number, totalPower(validators))) refuse('it has no quorum')
}

/**
 * Weight in `validators` that signed; undefined where signers are unknown, out of order or doubled, or a signature is wrong.
 * With `skipUnknown`, signers outside the set are passed over: for skipping verification, against an older trusted set.
 */
export function certificatePower(
  chainId: Uint8Array,
  certificate: Certificate,
  validators: ValidatorSet,
  options: { skipUnknown?: boolean; verify?: VerifySignature } = {},
): number | undefined {
  const { skipUnknown = false, verify = verifySignature } = options
  const message = voteSigningBytes({
    chainId,
    kind: 'precommit',
    height: certificate.height,
    round: certificate.round,
    block: certificate.block,
  })
  let power = 0
  let previous: Uint8Array | undefined
  for (const { validator, signature } of certificate.signatures) {
    if (previous !== undefined && compareBytes(previous, validator) >= 0) return undefined
    previous = validator
    const known = validators.validators.find(candidate => equalBytes(candidate.publicKey, validator))
    if (known === undefined) {
      if (skipUnknown) continue
      return undefined
    }
    if (!verify(validator, message, signature)) return undefined
    power += known.power
  }
  return power
}
