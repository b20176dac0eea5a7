/** How a new key of a folder is told. */
import type { NewEpoch } from '../src/client/epochs.ts'
import { toHex } from '../src/encoding/bytes.ts'

/** What `--json` prints of it. */
export interface NewEpochResult {
  epoch: number
  /** Consents that go on under the new key. */
  rewrapped: number
  /** Consents in force that do not. */
  left: string[]
  /** Custodians that hold what opens the past with it. */
  stored: number
}

export function newEpochResult({ epoch, rewrapped, left, stored }: NewEpoch): NewEpochResult {
  return { epoch, rewrapped, left: left.map(toHex), stored }
}

/** What is to be done about consents that did not go on. */
export function leftWords({ left }: NewEpochResult): string[] {
  return left.map(
    consent =>
      `consent ${consent} could not be brought under the new key: its reader sees what there was before, and nothing newer. Try again with: epione folder rotate-key; or revoke it and grant anew`,
  )
}
