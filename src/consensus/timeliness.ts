/**
 * Proposer-based time (PBTS; Tendermint's specification "proposer-based timestamps"): the time of a block is its proposer's clock, and validators
 * prevote a fresh value only if that time was plausible when the proposal arrived. So block time stays within the bounds of
 * honest clocks although one node alone writes it. A value with a polka was judged by a quorum and is not judged again.
 */
import type { Synchrony } from './application.ts'

/** Clocks kept by NTP are apart by far less; a proposal with its batches crosses the world in a second or two. */
export const DEFAULT_SYNCHRONY: Synchrony = { precisionMs: 1_000, delayMs: 15_000 }

/** Whether a fresh proposal of `round` with block time `timeMs` is timely at clock time `arrivedMs`. All in ms. */
export function isTimely(timeMs: number, arrivedMs: number, round: number, { precisionMs, delayMs }: Synchrony): boolean {
  // The specification grows the delay by a tenth a round; linear growth does the same for any round that is ever reached.
  const delay = delayMs + Math.floor((delayMs * round) / 10)
  return timeMs - precisionMs <= arrivedMs && arrivedMs <= timeMs + delay + precisionMs
}
