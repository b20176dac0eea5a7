/** Where the words of a dispute go: to those who show them to readers, and to those whom the author asks. */
import { MAX_STATEMENT } from '../contracts/disputes-formats.ts'
import { toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { type FolderRequest, folderRequestCodec } from '../network/light-messages.ts'
import { PROTOCOL } from '../network/protocols.ts'
import { currentCustodians } from './current-custodians.ts'
import { folderCustodians } from './folder-custodians.ts'
import type { OwnedFolder } from './folders.ts'
import { neededOf } from './grant-store.ts'
import type { LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import type { AnchoredSubmission } from './read-types.ts'

/** A statement or a reason. @throws EpioneError `bad-statement` */
export function checkedText(text: string): string {
  if (text.trim() === '' || text.length > MAX_STATEMENT) {
    throw new EpioneError('bad-statement', `A statement has 1 to ${MAX_STATEMENT} characters.`)
  }
  return text
}

/**
 * Leaves something with those who hold the version, for they show it to readers, and with the folder's custodians, whom the author asks:
 * n - f of each at least.
 */
export async function leaveWords(
  peer: LightPeer,
  folder: { id: Uint8Array; folder: OwnedFolder['folder'] },
  submission: AnchoredSubmission,
  options: CallOptions,
  requestFor: (custodian: MemberInfo) => FolderRequest | Promise<FolderRequest>,
): Promise<number> {
  const { holders } = await currentCustodians(peer, folder.id, submission, options)
  const near = await folderCustodians(peer, folder.id, folder.folder, options)
  const all = [...new Map([...holders, ...near].map(member => [toHex(member.id), member])).values()]
  const took = new Set<string>()
  let cause: unknown
  await Promise.all(
    all.map(async custodian => {
      try {
        const request = folderRequestCodec.encode(await requestFor(custodian))
        await peer.nodes.request(custodian.organisation.networkKey, PROTOCOL.folder, request, { ...options, maxResponse: 1024 })
        took.add(toHex(custodian.id))
      } catch (error) {
        options.signal?.throwIfAborted()
        cause = error
      }
    }),
  )
  for (const group of [holders, near]) {
    const { n } = submission.anchor
    const needed = neededOf(n)
    const stored = group.filter(({ id }) => took.has(toHex(id))).length
    if (stored < needed) {
      throw new EpioneError(
        'too-few-receipts',
        `The ledger has it, but only ${stored} of ${n} custodians took the words, and ${needed} are needed; do the same again.`,
        {
          cause,
          metadata: { receipts: stored, needed },
        },
      )
    }
  }
  return took.size
}
