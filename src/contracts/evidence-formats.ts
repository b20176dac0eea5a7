/** Formats of what the chain keeps of double signing: the body of a report, the log of evidence, and the record of each convicted key. */
import { equalBytes } from '../encoding/bytes.ts'
import { taggedHash } from '../encoding/hash.ts'
import { codec, fixedBytes, hash32, type Infer, integer, list, nullable, oneOf, struct } from '../encoding/schema.ts'
import { MAX_ROUND } from '../ledger/certificate.ts'
import { evidenceSchema, type OffencePlace } from '../ledger/evidence.ts'

/** Offences of one key that are recorded; what comes after them changes nothing any more. */
export const MAX_OFFENCES = 16

/** Body of `members.report`: two conflicting signed messages of one validator, as consensus keeps them. */
export const evidenceBodyCodec = codec(struct({ evidence: evidenceSchema }), 4096)
export type EvidenceBody = Infer<typeof evidenceBodyCodec>

/** An item of the log at `stateKey.evidence`. */
export const evidenceEntryCodec = codec(
  struct({
    /** Position in the log, from 0. */
    index: integer(),
    /** Member that reported it. */
    reporter: hash32,
    /** Block that took it in, and its time in ms. */
    height: integer(),
    time: integer(),
    evidence: evidenceSchema,
  }),
  4096,
)
export type EvidenceEntry = Infer<typeof evidenceEntryCodec>

export function evidenceEntryId(entry: EvidenceEntry): Uint8Array {
  return taggedHash('evidence-entry', evidenceEntryCodec.encode(entry))
}

const offenceSchema = struct({
  kind: oneOf('prevote', 'precommit', 'proposal'),
  /** Where the validator signed twice. */
  height: integer(),
  round: integer(MAX_ROUND),
  /** Block that took the evidence in, and its place in the log. */
  reported: integer(),
  entry: integer(),
})
export type Offence = Infer<typeof offenceSchema>

/** Value at `stateKey.conviction`: a consensus key that was proven to have signed twice. */
export const convictionCodec = codec(
  struct({
    /** Member that held the key. */
    account: hash32,
    consensusKey: fixedBytes(32),
    /** In the order of the reports; the first ones stay. */
    offences: list(offenceSchema, MAX_OFFENCES, 1),
    /** Block in which the evidence cost the key its seat; null where it did not, and the members decide. */
    evicted: nullable(integer()),
  }),
  2048,
)
export type Conviction = Infer<typeof convictionCodec>

/** Whether a record holds an offence of this place already. */
export function isRecorded({ offences }: Pick<Conviction, 'offences'>, { kind, height, round }: OffencePlace): boolean {
  return offences.some(known => known.kind === kind && known.height === height && known.round === round)
}

/** Whether a set holds a consensus key. */
export function hasSeat(set: { readonly validators: readonly { readonly publicKey: Uint8Array }[] }, consensusKey: Uint8Array): boolean {
  return set.validators.some(({ publicKey }) => equalBytes(publicKey, consensusKey))
}
