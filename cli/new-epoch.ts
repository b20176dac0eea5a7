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
  /** Of an emergency summary: `deposited`, or why shares of the new key do not lie with the custodians; null for other folders. */
  emergency: string | null
}

export function newEpochResult({ epoch, rewrapped, left, stored, emergency }: NewEpoch): NewEpochResult {
  return { epoch, rewrapped, left: left.map(toHex), stored, emergency }
}

/** What is to be done about consents that did not go on. */
export function leftWords({ left, emergency }: NewEpochResult): string[] {
  const words = left.map(
    consent =>
      `consent ${consent} could not be brought under the new key: its reader sees what there was before, and nothing newer. Try again with: epione folder rotate-key; or revoke it and grant anew`,
  )
  if (emergency !== null && emergency !== 'deposited')
    words.push(`the new key could not be left for emergencies (${emergency}): nobody can break the glass until: epione emergency deposit`)
  return words
}
