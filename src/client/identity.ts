/** Who acts through a light peer: a person whom an organisation answers for, or the owner of a wallet. */

import { type SealingKey, sealingKeyFromSeed, sealingPublicKeySchema } from '../crypto/sealing.ts'
import { type SigningKey, signingKeyFromSeed } from '../crypto/signature.ts'
import { EpioneError } from '../encoding/errors.ts'
import { codec, hash32, type Infer, integer, struct, text } from '../encoding/schema.ts'
import { fromBase64Url, toBase64Url } from './base64url.ts'

/** A member of staff: a clinician, a registrar. */
export interface Person {
  /** Account of the organisation that answers for the person. */
  readonly organisation: Uint8Array
  /** Role that the organisation's node lists for the person. */
  readonly role: string
  readonly signing: SigningKey
  readonly sealing: SealingKey
}

export function personFromSeeds(input: {
  organisation: Uint8Array
  role: string
  signingSeed: Uint8Array
  sealingSeed: Uint8Array
}): Person {
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

export function encodeCard(card: ContactCard): string {
  return CARD + toBase64Url(cardCodec.encode(card))
}

/** @throws EpioneError `bad-card` */
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

const SHARE = 'epione-share:'

export function encodeShare(share: ShareCode): string {
  return SHARE + toBase64Url(shareCodec.encode(share))
}

/** @throws EpioneError `bad-share` */
export function decodeShare(value: string): ShareCode {
  try {
    if (!value.startsWith(SHARE)) throw new Error('prefix')
    return shareCodec.decode(fromBase64Url(value.slice(SHARE.length)))
  } catch (error) {
    throw new EpioneError(
      'bad-share',
      'This is not a share code; one begins with "epione-share:" and is printed by `epione consent grant`.',
      { cause: error },
    )
  }
}
