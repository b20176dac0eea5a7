/** Recoveries against a wallet, as commands print them. */
import type { FolderWarning } from '../src/client/recovery.ts'
import { toHex } from '../src/encoding/bytes.ts'
import { formatInstant, formatSpan } from './format.ts'

export interface WarningResult {
  folder: string
  label: string
  pending: { endsMs: number; leftMs: number; vetoable: boolean } | null
  /** A recovery key that the owner's key announced, and when it may come. */
  announced: { recoveryKeyHash: string; dueMs: number } | null
}

export function warningResult({ owned, recovery: { pending, announced } }: FolderWarning, timeMs: number): WarningResult {
  return {
    folder: toHex(owned.id),
    label: owned.label,
    pending: pending === null ? null : { endsMs: pending.ends, leftMs: Math.max(0, pending.ends - timeMs), vetoable: !pending.isFinal },
    announced: announced === null ? null : { recoveryKeyHash: toHex(announced.recoveryKeyHash), dueMs: announced.due },
  }
}

export function warningLines({ folder, label, pending, announced }: WarningResult): string[] {
  return [
    `${folder}  ${label}`,
    ...(pending === null
      ? []
      : [
          `  A RECOVERY IS PENDING: it may be finished from ${formatInstant(pending.endsMs)} on (in ${formatSpan(pending.leftMs)})`,
          pending.vetoable
            ? `  if it is not yours, object, which you can once: epione recovery veto --folder ${folder}`
            : '  you objected before and cannot again; what you can do is to save what you need and to ask your guardians',
        ]),
    ...(announced === null
      ? []
      : [`  another recovery key was announced with the key of this wallet, and may come from ${formatInstant(announced.dueMs)} on`]),
  ]
}
