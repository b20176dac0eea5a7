/** Who acts through a light peer: a person whom an organisation answers for, or the owner of a wallet. */

import { type SealingKey, sealingKeyFromSeed } from '../crypto/sealing.ts'
import { sealingPublicKeySchema } from '../crypto/sealing-suites.ts'
import { type SigningKey, signingKeyFromSeed } from '../crypto/signature.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { codec, hash32, type Infer, integer, list, struct, text } from '../encoding/schema.ts'
import { fromBase64Url, toBase64Url } from './base64url.ts'
import type { Signer } from './signer.ts'

/** A member of staff: a clinician, a registrar. */
export interface Person {
  /** Account of the organisation that answers for the person. */
  readonly organisation: Uint8Array
  /** Role that the organisation's node lists for the person. */
  readonly role: string
  readonly signing: Signer
  readonly sealing: SealingKey
}

/** A person whose keys are in memory. */
export interface SeededPerson extends Person {
  readonly signing: SigningKey
}

/** A person of an organisation with keys from two seeds of 32 bytes each: one signs, to the other is sealed. */
export function personFromSeeds(input: {
  organisation: Uint8Array
  role: string
  signingSeed: Uint8Array
  sealingSeed: Uint8Array
}): SeededPerson {
  return {
    organisation: input.organisation,
    role: input.role,
    signing: signingKeyFromSeed(input.signingSeed),
    sealing: sealingKeyFromSeed(input.sealingSeed),
  }
}

const cardCodec = codec(
  struct({
    version: integer(1, 1),
    chainId: hash32,
    organisation: hash32,
    /** Name as the person gives it: shown to whom the card is handed, never sent into the network in the clear. */
    name: text(128),
    role: text(64),
    signingKey: hash32,
    sealingKey: sealingPublicKeySchema,
  }),
  4096,
)
/** What somebody hands over to be granted access: who they are and to which key a grant is sealed. */
export type ContactCard = Infer<typeof cardCodec>

const CARD = 'epione-card:'

/** A contact card as text, for a QR code or a message: public keys, role and organisation of a person. Nothing in it is secret. */
export function encodeCard(card: ContactCard): string {
  return CARD + toBase64Url(cardCodec.encode(card))
}

/** Inverse of {@link encodeCard}. @throws EpioneError `bad-card` */
export function decodeCard(value: string): ContactCard {
  try {
    if (!value.startsWith(CARD)) throw new Error('prefix')
    return cardCodec.decode(fromBase64Url(value.slice(CARD.length)))
  } catch (error) {
    throw new EpioneError('bad-card', 'This is not a contact card; one begins with "epione-card:" and is printed by `epione keys card`.', {
      cause: error,
    })
  }
}

const shareCodec = codec(struct({ version: integer(1, 1), chainId: hash32, folder: hash32, consent: hash32 }), 256)
/** What a patient hands to whom they granted access: where the folder is and under which consent it opens. */
export type ShareCode = Infer<typeof shareCodec>

/** Most folders of one code: what a QR code still holds. */
export const MAX_SHARED_FOLDERS = 24

/** The same for several folders that are shared by one decision. */
const sharesCodec = codec(
  struct({
    version: integer(2, 2),
    chainId: hash32,
    folders: list(struct({ folder: hash32, consent: hash32 }), MAX_SHARED_FOLDERS, 2),
  }),
  4096,
)

const SHARE = 'epione-share:'

/** A share code as text: it names a folder and a consent, and is of use to the grantee alone. */
export function encodeShare(share: ShareCode): string {
  return SHARE + toBase64Url(shareCodec.encode(share))
}

/** One code for folders of one network, at least one. @throws EpioneError `too-many-folders` */
export function encodeShares(shares: readonly ShareCode[]): string {
  const [first] = shares
  if (first === undefined || shares.some(({ chainId }) => !equalBytes(chainId, first.chainId))) {
    throw new EpioneError('bad-share', 'A share code is for folders of one network.')
  }
  if (shares.length > MAX_SHARED_FOLDERS) {
    throw new EpioneError('too-many-folders', `A share code is for ${MAX_SHARED_FOLDERS} folders at most.`)
  }
  if (shares.length === 1) return encodeShare(first)
  const folders = shares.map(({ folder, consent }) => ({ folder, consent }))
  return SHARE + toBase64Url(sharesCodec.encode({ version: 2, chainId: first.chainId, folders }))
}

/** The folders of a code. @throws EpioneError `bad-share` */
export function decodeShares(value: string): ShareCode[] {
  try {
    if (!value.startsWith(SHARE)) throw new Error('prefix')
    const bytes = fromBase64Url(value.slice(SHARE.length))
    if (bytes.length <= shareCodec.maxBytes && isSingle(bytes)) return [shareCodec.decode(bytes)]
    const { chainId, folders } = sharesCodec.decode(bytes)
    return folders.map(({ folder, consent }) => ({ version: 1, chainId, folder, consent }))
  } catch (error) {
    throw new EpioneError(
      'bad-share',
      'This is not a share code; one begins with "epione-share:" and is printed by `epione consent grant`.',
      { cause: error },
    )
  }
}

/** Whether it is of the form for one folder: a list of four, of which the first is 1. */
function isSingle(bytes: Uint8Array): boolean {
  return bytes[0] === 0x84 && bytes[1] === 1
}

/** The one folder of a code. @throws EpioneError `bad-share`, also where it is for several */
export function decodeShare(value: string): ShareCode {
  const [share, ...more] = decodeShares(value)
  if (share !== undefined && more.length === 0) return share
  throw new EpioneError('bad-share', `This share code is for ${more.length + 1} folders, and one is wanted here.`)
}
