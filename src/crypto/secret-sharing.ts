/**
 * Sharing of a secret: any `threshold` of the shares give it back, fewer say nothing about it (Shamir, GF(256)). Combining shares
 * does not tell by itself that one of them is wrong, so the dealer publishes commitments: one per share, which names a false
 * share, and one of the secret, which catches a dealer whose shares do not belong together.
 */
import { combine, split } from 'shamir-secret-sharing'
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { taggedHash } from '../encoding/hash.ts'
import { codec, fixedBytes, hash32, type Infer, integer, list, struct } from '../encoding/schema.ts'

/**
 * Length of a secret that is shared, in bytes. It has to be drawn uniformly, as a seed is: the commitments are plain hashes, and
 * would let a secret of few possible values be guessed.
 */
export const SHARED_SECRET_LENGTH = 32
/** A share is a value as long as the secret, and the coordinate at which it lies (1 to 255). */
export const SHARE_LENGTH = SHARED_SECRET_LENGTH + 1
/** Most shares of one secret: each has a coordinate of one byte. */
export const MAX_SHARES = 255

/** A share as its holder keeps it. */
export const shareSchema = fixedBytes(SHARE_LENGTH)

/** What tells true shares from false ones. It tells nothing about the secret, and may be public. */
export const shareCommitmentsSchema = struct({
  /** How many shares give the secret. */
  threshold: integer(MAX_SHARES, 2),
  /** Commitment to each share, by its position. */
  shares: list(hash32, MAX_SHARES, 2),
  /** Commitment to the secret. */
  secret: hash32,
})
export const shareCommitmentsCodec = codec(shareCommitmentsSchema, 16 * 1024)
export type ShareCommitments = Infer<typeof shareCommitmentsSchema>

/** One share, and its position among the commitments. */
export interface PositionedShare {
  readonly position: number
  readonly share: Uint8Array
}

export interface SharingPlan {
  readonly shares: number
  readonly threshold: number
}

export interface SplitSecret {
  /** By position. */
  readonly shares: Uint8Array[]
  readonly commitments: ShareCommitments
}

/**
 * Splits a uniformly drawn secret of 32 bytes. Two splits of one secret have nothing in common: shares of one do not add to
 * those of the other. @throws EpioneError `sharing-invalid`
 */
export async function splitSecret(secret: Uint8Array, plan: SharingPlan): Promise<SplitSecret> {
  const { shares: count, threshold } = plan
  if (secret.length !== SHARED_SECRET_LENGTH) throw invalid(`a secret of ${SHARED_SECRET_LENGTH} bytes is shared`)
  if (!isPlan(plan)) throw invalid(`${threshold} of ${count} shares is no plan: at least 2, and not more than there are`)
  // The library asks for plain byte arrays, not for what derives from them.
  const shares = await split(Uint8Array.from(secret), count, threshold)
  return {
    shares,
    commitments: {
      threshold,
      shares: shares.map((share, position) => shareCommitment(position, share)),
      secret: secretCommitment(secret),
    },
  }
}

/** Whether this is the share that the dealer gave for that position. */
export function isTrueShare({ position, share }: PositionedShare, commitments: ShareCommitments): boolean {
  const commitment = commitments.shares[position]
  return commitment !== undefined && share.length === SHARE_LENGTH && equalBytes(shareCommitment(position, share), commitment)
}

/**
 * The secret, from at least `threshold` shares of different positions; more than that are checked and not used.
 * @throws EpioneError `share-false` with the `position` of the first share that is not the dealer's; `too-few-shares`;
 * `shares-inconsistent` where the dealer's shares do not give the secret that it committed to.
 */
export async function combineShares(shares: readonly PositionedShare[], commitments: ShareCommitments): Promise<Uint8Array> {
  const { threshold } = commitments
  const byPosition = new Map<number, Uint8Array>()
  for (const positioned of shares) {
    if (!isTrueShare(positioned, commitments)) {
      throw new EpioneError('share-false', `The share at position ${positioned.position} is not the one that was given out.`, {
        metadata: { position: positioned.position },
      })
    }
    byPosition.set(positioned.position, Uint8Array.from(positioned.share))
  }
  if (byPosition.size < threshold) {
    throw new EpioneError('too-few-shares', `${byPosition.size} shares are here; ${threshold} are needed.`, {
      metadata: { have: byPosition.size, need: threshold },
    })
  }
  const used = [...byPosition.values()].slice(0, threshold)
  const coordinates = new Set(used.map(share => share[SHARED_SECRET_LENGTH]))
  // Two shares at one coordinate, or one at the secret's own, are a dealer's doing: their commitments fit.
  if (coordinates.size < threshold || coordinates.has(0)) throw inconsistent()
  const secret = await combine(used)
  if (!equalBytes(secretCommitment(secret), commitments.secret)) throw inconsistent()
  return secret
}

function isPlan({ shares, threshold }: SharingPlan): boolean {
  return Number.isInteger(shares) && Number.isInteger(threshold) && threshold >= 2 && threshold <= shares && shares <= MAX_SHARES
}

/** The position is in it, so that one share shown twice is not two. */
function shareCommitment(position: number, share: Uint8Array): Uint8Array {
  return taggedHash('secret-share', Uint8Array.of(position), share)
}

function secretCommitment(secret: Uint8Array): Uint8Array {
  return taggedHash('shared-secret', secret)
}

function invalid(message: string): EpioneError {
  return new EpioneError('sharing-invalid', message)
}

function inconsistent(): EpioneError {
  return new EpioneError('shares-inconsistent', 'The shares are those that were given out, but they do not give the secret; share it anew.')
}
