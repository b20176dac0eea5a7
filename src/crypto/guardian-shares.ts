/**
 * A secret in the hands of several guardians: any `threshold` of them give it back, fewer know nothing of it. Shamir's scheme over
 * GF(2^8), with a check value for each share, so that who gives a false one is named instead of spoiling the result.
 */
import { combine, split } from 'shamir-secret-sharing'
import { concat, equalBytes, toHex, u32 } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { taggedHash } from '../encoding/hash.ts'
import { randomBytes } from './random.ts'

export const MAX_GUARDIANS = 16
export const MIN_THRESHOLD = 2
const SECRET_LENGTH = 32
/** The value of a polynomial for each byte of the secret, and the place at which it was taken. */
export const SHARE_LENGTH = SECRET_LENGTH + 1

/** What all shares of one secret have in common. */
export interface ShareSet {
  /** Random; names this sharing. */
  readonly id: Uint8Array
  readonly threshold: number
  readonly count: number
  /** Hash of share `i + 1` at position `i`. */
  readonly checks: readonly Uint8Array[]
  /** Hash of the secret. */
  readonly secretCheck: Uint8Array
}

export interface GuardianShare {
  readonly set: ShareSet
  /** From 1. */
  readonly number: number
  readonly share: Uint8Array
}

/** Shares a secret of 32 bytes. @throws EpioneError `threshold-invalid` */
export async function splitSecret(
  secret: Uint8Array,
  { threshold, count }: { threshold: number; count: number },
): Promise<GuardianShare[]> {
  const valid =
    Number.isInteger(threshold) && Number.isInteger(count) && MIN_THRESHOLD <= threshold && threshold <= count && count <= MAX_GUARDIANS
  if (!valid) {
    throw new EpioneError(
      'threshold-invalid',
      `a secret is shared among ${MIN_THRESHOLD} to ${MAX_GUARDIANS} guardians, of whom at least ${MIN_THRESHOLD} and at most all are needed`,
      { metadata: { threshold, count } },
    )
  }
  if (secret.length !== SECRET_LENGTH) throw new EpioneError('seed-length', `a secret to be shared has ${SECRET_LENGTH} bytes`)
  const id = randomBytes(32)
  const shares = (await split(new Uint8Array(secret), count, threshold)).map(share => new Uint8Array(share))
  const set: ShareSet = {
    id,
    threshold,
    count,
    checks: shares.map((share, i) => shareCheck({ id, threshold, count }, i + 1, share)),
    secretCheck: secretCheck(id, secret),
  }
  return shares.map((share, i) => ({ set, number: i + 1, share }))
}

/** What became of the shares that were put together. */
export interface Combined {
  readonly secret: Uint8Array
  /** Positions, in the list that was given, of shares that are false or of another secret. */
  readonly rejected: readonly number[]
}

/**
 * Puts shares together. False ones are left out and named; a share that is given twice counts once.
 * @throws EpioneError `too-few-shares`, whose metadata say how many hold, how many are needed, and which (from 1, in the order given) are false
 */
export async function combineShares(shares: readonly GuardianShare[]): Promise<Combined> {
  const groups = new Map<string, Map<number, number>>()
  for (const [at, { set, number, share }] of shares.entries()) {
    if (!isWhole(set) || !equalBytes(shareCheck(set, number, share), set.checks[number - 1] ?? new Uint8Array(0))) continue
    const key = toHex(setHash(set))
    const group = groups.get(key) ?? new Map<number, number>()
    groups.set(key, group)
    if (!group.has(number)) group.set(number, at)
  }
  const ordered = [...groups].sort(([, a], [, b]) => b.size - a.size)
  for (const [key, group] of ordered) {
    const members = [...group.values()].map(at => shares[at] as GuardianShare)
    const { set } = members[0] as GuardianShare
    if (members.length < set.threshold) continue
    const secret = new Uint8Array(await combine(members.slice(0, set.threshold).map(({ share }) => share)))
    if (equalBytes(secretCheck(set.id, secret), set.secretCheck)) return { secret, rejected: outsideOf(shares, key) }
  }
  const best = ordered[0]
  const needed = best === undefined ? null : (shares[[...best[1].values()][0] as number] as GuardianShare).set.threshold
  const held = best?.[1].size ?? 0
  const rejected = best === undefined ? shares.map((_, at) => at) : outsideOf(shares, best[0])
  throw new EpioneError(
    'too-few-shares',
    needed === null
      ? 'none of the shares holds; ask the guardians for the files that they were given'
      : `${held} of the shares hold${held === 1 ? 's' : ''} together and ${needed} are needed`,
    { metadata: { held, needed: needed ?? 0, rejected: rejected.map(at => at + 1).join(',') } },
  )
}

/** Positions of the shares that do not belong to the set of that hash. */
function outsideOf(shares: readonly GuardianShare[], hash: string): number[] {
  return shares.flatMap(({ set, number, share }, at) => {
    const holds =
      isWhole(set) &&
      toHex(setHash(set)) === hash &&
      equalBytes(shareCheck(set, number, share), set.checks[number - 1] ?? new Uint8Array(0))
    return holds ? [] : [at]
  })
}

function isWhole({ threshold, count, checks }: ShareSet): boolean {
  return MIN_THRESHOLD <= threshold && threshold <= count && count <= MAX_GUARDIANS && checks.length === count
}

function shareCheck({ id, threshold, count }: Pick<ShareSet, 'id' | 'threshold' | 'count'>, number: number, share: Uint8Array): Uint8Array {
  return taggedHash('guardian-share', id, u32(threshold), u32(count), u32(number), share)
}

function secretCheck(id: Uint8Array, secret: Uint8Array): Uint8Array {
  return taggedHash('guardian-secret', id, secret)
}

function setHash({ id, threshold, count, checks, secretCheck: check }: ShareSet): Uint8Array {
  return taggedHash('guardian-set', id, u32(threshold), u32(count), concat(...checks), check)
}
