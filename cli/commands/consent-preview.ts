/** `epione consent preview` */
import { scanFolders } from '../../src/client/folders.ts'
import type { Counted, Unseen } from '../../src/client/preview.ts'
import { planSharing } from '../../src/client/sharing.ts'
import type { Purpose } from '../../src/contracts/consent-terms.ts'
import type { Label } from '../../src/contracts/folders-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { previewLines } from '../plain-preview.ts'
import { decisionOf, readCard, recipientOf, type SharingOptions } from '../sharing-options.ts'
import { readPreview } from '../sharing-preview.ts'
import { withWallet } from '../wallet-session.ts'

/** What `--json` prints. */
export interface ConsentPreviewResult {
  /** In plain words. */
  words: readonly string[]
  folders: readonly { folder: string; label: Label }[]
  purposes: readonly {
    purpose: Purpose
    /** Records by label and class. */
    sees: readonly Counted[]
    hidden: readonly (Counted & { why: Unseen })[]
  }[]
  /** Labels of folders of which nobody gets to know. */
  withheld: readonly Label[]
  /** Folders of which something may be missing here. */
  incomplete: number
}

export async function consentPreview(context: Context, options: SharingOptions): Promise<void> {
  const { signal, output } = context
  const card = await readCard(context, options)
  const note = options.note ?? card?.name ?? ''
  await withWallet(context, async ({ peer, wallet }) => {
    const { grantee, role } = await recipientOf(context, peer, card, options)
    const { folders } = await scanFolders(peer, wallet, { signal })
    const decision = await decisionOf(context, peer, grantee, folders, options)
    const preview = await readPreview(context, peer, wallet, { decision, folders, role, note })
    const words = previewLines(preview, note, await peer.members({ signal }))
    const value: ConsentPreviewResult = {
      words,
      folders: planSharing(folders, decision).map(({ owned }) => ({ folder: toHex(owned.id), label: owned.label })),
      purposes: preview.previews.map(({ preview: { purpose, sees, hidden } }) => ({ purpose, sees, hidden })),
      withheld: preview.withheld,
      incomplete: preview.incomplete,
    }
    output.result(value, () => words)
  })
}
