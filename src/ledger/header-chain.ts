/** Headers without their blocks: each follows from the one before by the validators that it appointed. */
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { type Certificate, verifyCertificate } from './certificate.ts'
import { type Header, headerHash, type ValidatorSet, validatorSetHash } from './header.ts'

/** A header that is believed. */
export interface TrustedHeader {
  readonly header: Header
  /** Hash of the header. */
  readonly hash: Uint8Array
}

/**
 * Checks that a header is the final one above a trusted header: it stands on it, time advances, and a quorum of exactly the
 * validators signed it whom the trusted header appointed.
 * @throws EpioneError `invalid-header`, `invalid-certificate`
 */
export function verifyNextHeader(
  trusted: TrustedHeader,
  next: { header: Header; certificate: Certificate | null },
  validators: ValidatorSet,
): TrustedHeader {
  const { header, certificate } = next
  const height = trusted.header.height + 1
  const refuse = (reason: string): never => {
    throw new EpioneError('invalid-header', `The header given for height ${height} is not valid: ${reason}.`, { metadata: { height } })
  }
  if (header.height !== height) refuse('it is of another height')
  if (!equalBytes(header.chainId, trusted.header.chainId)) refuse('it is of another network')
  if (!equalBytes(header.parent, trusted.hash)) refuse('it does not stand on the one before')
  if (header.time <= trusted.header.time) refuse('time does not advance to it')
  if (!equalBytes(header.validatorsHash, trusted.header.nextValidatorsHash)) refuse('it names other validators than were appointed')
  if (!equalBytes(validatorSetHash(validators), header.validatorsHash)) refuse('the validators shown are not those that it names')
  if (certificate === null) throw new EpioneError('invalid-certificate', `The header of height ${height} comes without a certificate.`)
  verifyCertificate(header, certificate, validators)
  return { header, hash: headerHash(header) }
}
