/**
 * What keeps the acts of one person on the ledger from telling that they are one person's: instants on a coarse grid, and delays that are
 * drawn for each act by itself. Whoever watches the ledger sees when an act came, and every instant that it names.
 */
import { MAX_SESSION_MS } from '../contracts/access-formats.ts'
import { MAX_CONSENT_MS } from '../contracts/consents.ts'
import { EXPIRY_BUCKET_MS, expiryBucket } from '../contracts/consents-formats.ts'
import { randomBytes } from '../crypto/random.ts'
import { INSTANT_GRID_MS, onGrid } from '../ledger/instants.ts'

/** How long acts that have time are held back at most, in ms: less than the hour for which a transaction may be valid. */
export const SPREAD_MS = 45 * 60 * 1000

/** End of a session that begins at `timeMs` (block time, ms) and lasts for `durationMs`: on the grid, and at most an hour ahead. */
export function sessionEnd(timeMs: number, durationMs: number): number {
  const wanted = onGrid(timeMs + durationMs)
  const latest = timeMs + MAX_SESSION_MS
  return wanted <= latest ? wanted : Math.max(timeMs + 1, latest - (latest % INSTANT_GRID_MS))
}

/** A delay in ms within a span, for an act that need not come at once; drawn for each by itself. @param fraction uniform in [0, 1) */
export function spreadDelay(spanMs: number, fraction: number): number {
  return 1 + Math.floor(fraction * (spanMs - 1))
}

/** Most days by which the ledger's expiry of a consent lies behind the end that its terms name. */
export const EXPIRY_BLUR_DAYS = 30

/**
 * Expiry that the ledger shows for a consent whose terms end at `endMs`: some days later, drawn for each consent by itself, so that consents of
 * one decision do not end alike. The terms bind readers and custodians to the moment. @param fraction uniform in [0, 1)
 */
export function blurredExpiry(endMs: number, fraction: number, nowMs: number): number {
  const blurred = expiryBucket(endMs) + Math.floor(fraction * EXPIRY_BLUR_DAYS) * EXPIRY_BUCKET_MS
  // A day short of what the contract takes: its clock is the block's, not this one.
  return Math.max(expiryBucket(endMs), Math.min(blurred, expiryBucket(nowMs + MAX_CONSENT_MS - EXPIRY_BUCKET_MS)))
}

/** Uniform in [0, 1), from the system's generator. */
export function randomFraction(): number {
  const bytes = randomBytes(6)
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0) / 2 ** 48
}
