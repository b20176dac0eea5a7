/** Shares of a recovery seed as guardians hold them: text that fits into a file or a code, plain or sealed to a guardian's key. */
import { combineShares, type GuardianShare, MAX_GUARDIANS, MIN_THRESHOLD, SHARE_LENGTH, splitSecret } from '../crypto/guardian-shares.ts'
import { type SealingKey, seal } from '../crypto/sealing.ts'
import { utf8 } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { domain } from '../encoding/hash.ts'
import { codec, fixedBytes, hash32, type Infer, integer, list, struct, text } from '../encoding/schema.ts'
import { fromBase64Url, toBase64Url } from './base64url.ts'
import type { ContactCard } from './identity.ts'
import { KIT } from './recovery-kit.ts'

/** Longest kit that goes with a share. */
const MAX_KIT = 32 * 1024

const shareCodec = codec(
  struct({
    version: integer(1, 1),
    set: struct({
      id: hash32,
      threshold: integer(MAX_GUARDIANS, MIN_THRESHOLD),
      count: integer(MAX_GUARDIANS, MIN_THRESHOLD),
      checks: list(hash32, MAX_GUARDIANS, MIN_THRESHOLD),
      secretCheck: hash32,
    }),
    number: integer(MAX_GUARDIANS, 1),
    /** Whom it was given to, as the owner calls them: for the guardian, and to name a false share. */
    guardian: text(64),
    share: fixedBytes(SHARE_LENGTH),
    /** The recovery kit of the wallet: every guardian has it. */
    kit: text(MAX_KIT),
  }),
  48 * 1024,
)
export type HeldShare = Infer<typeof shareCodec>

export const SHARE = 'epione-guardian:'
export const SEALED_SHARE = 'epione-guardian-sealed:'

export interface Guardian {
  readonly name: string
  /** Contact card: where there is one, the share is sealed to its key. */
  readonly card?: ContactCard | undefined
}

/** A share as text, for one guardian. */
export interface ShareText {
  readonly guardian: Guardian
  readonly number: number
  readonly text: string
}

const context = { info: domain('seal-guardian-share'), aad: new Uint8Array(0) }

/** Shares a recovery seed among guardians. @throws EpioneError `threshold-invalid` */
export async function shareAmong(
  guardians: readonly Guardian[],
  input: { recoverySeed: Uint8Array; threshold: number; kit: string },
): Promise<ShareText[]> {
  const shares = await splitSecret(input.recoverySeed, { threshold: input.threshold, count: guardians.length })
  return shares.map((share, i) => {
    const guardian = guardians[i] as Guardian
    const { card } = guardian
    const { set } = share
    const encoded = shareCodec.encode({
      version: 1,
      set: { ...set, checks: [...set.checks] },
      number: share.number,
      guardian: guardian.name,
      share: share.share,
      kit: input.kit,
    })
    const written = card === undefined ? SHARE + toBase64Url(encoded) : SEALED_SHARE + toBase64Url(seal(card.sealingKey, encoded, context))
    return { guardian, number: share.number, text: written }
  })
}

/** A guardian's share as text, open or sealed. @throws EpioneError `bad-guardian-share` */
export function decodeShareText(value: string): HeldShare {
  try {
    if (!value.startsWith(SHARE)) throw new Error('prefix')
    return shareCodec.decode(fromBase64Url(value.slice(SHARE.length)))
  } catch (error) {
    throw badShare(error)
  }
}

/** Opens a share that was sealed to a guardian's card; gives it as plain text. @throws EpioneError `bad-guardian-share`, `unsealing-failed` */
export function openSealedShare(value: string, key: SealingKey): string {
  let sealed: Uint8Array
  try {
    if (!value.startsWith(SEALED_SHARE)) throw new Error('prefix')
    sealed = fromBase64Url(value.slice(SEALED_SHARE.length))
  } catch (error) {
    throw badShare(error)
  }
  const plain = SHARE + toBase64Url(key.open(sealed, context))
  decodeShareText(plain)
  return plain
}

function badShare(cause: unknown): EpioneError {
  return new EpioneError(
    'bad-guardian-share',
    `This is not a guardian's share; one begins with "${SHARE}", or with "${SEALED_SHARE}" until its guardian has opened it.`,
    { cause },
  )
}

/** What guardians' shares give together. */
export interface CombinedShares {
  readonly recoverySeed: Uint8Array
  /** Kits that came with the shares that hold, each once. */
  readonly kits: readonly string[]
  /** Positions in the list, from 0, of shares that are false or of another wallet. */
  readonly rejected: readonly number[]
}

/** Puts shares together. @throws EpioneError `too-few-shares` */
export async function combineHeld(shares: readonly HeldShare[]): Promise<CombinedShares> {
  const held: GuardianShare[] = shares.map(({ set, number, share }) => ({ set, number, share }))
  const { secret, rejected } = await combineShares(held)
  const kits = new Set(shares.filter((_, at) => !rejected.includes(at)).map(({ kit }) => kit))
  return { recoverySeed: secret, kits: [...kits].filter(kit => kit.startsWith(KIT)), rejected }
}

/** Bytes of a share's text, to be written to a file. */
export function shareFile(share: ShareText): Uint8Array {
  return utf8(`${share.text}\n`)
}
