/** `epione delegate grant` */
import { DELEGATE_OFFER, decodeDelegateOffer, delegationEnd, grantDelegation } from '../../src/client/delegation.ts'
import { encodeShare } from '../../src/client/identity.ts'
import type { RecordClass } from '../../src/contracts/consent-terms.ts'
import type { Ground, Right } from '../../src/contracts/delegations-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { readCode } from '../codes.ts'
import { assertConfirmable, confirmed } from '../confirm.ts'
import type { Context } from '../context.ts'
import { formatDay, printable } from '../format.ts'
import { withOwnedFolder } from '../wallet-session.ts'

export interface DelegateGrantOptions {
  folder: string
  to: string
  ground: Ground
  right?: readonly Right[]
  class?: readonly RecordClass[]
  from?: number
  until: { atMs: number } | { lengthMs: number }
  yes?: boolean
}

/** What `--json` prints. */
export interface DelegateGrantResult {
  status: 'committed'
  delegation: string
  /** What the delegate needs. */
  share: string
  folder: string
  delegate: string
  ground: Ground
  rights: readonly Right[]
  startMs: number
  endMs: number
  stored: number
  height: number
}

export async function delegateGrant(context: Context, options: DelegateGrantOptions): Promise<void> {
  const { signal, output } = context
  const offer = decodeDelegateOffer(await readCode(context, options.to, DELEGATE_OFFER))
  const rights = [...new Set(options.right ?? (['read'] as const))]
  assertConfirmable(context, options.yes === true)
  await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) => {
    const startMs = options.from ?? peer.now()
    const { until } = options
    const endMs = 'atMs' in until ? until.atMs : Math.max(startMs, peer.now()) + until.lengthMs
    const end = delegationEnd(endMs)
    const name = printable(offer.name)
    const classes = [...new Set(options.class ?? [])]
    const scope = { purposes: [], classes, dataPeriod: null, authors: [], exceptions: [] }
    output.note(delegationWords({ name, ground: options.ground, rights, classes, startMs, endMs: end }))
    await confirmed(context, options.yes === true, 'Delegate this?')
    const input = { offer, ground: options.ground, rights, scope, startMs, endMs }
    const { consent, share, committed, stored } = await grantDelegation(peer, wallet, owned, input, { signal })
    const value: DelegateGrantResult = {
      ...{ status: 'committed', delegation: toHex(consent), share: encodeShare(share), folder: toHex(owned.id), delegate: name },
      ...{ ground: options.ground, rights, startMs, endMs: end, stored, height: committed.height },
    }
    output.result(value, () => [value.share])
    output.note(`hand over the share code; end it with: epione delegate revoke ${value.delegation} --folder ${value.folder}`)
  })
}

const RIGHT_WORDS: Readonly<Record<Right, string>> = {
  read: 'read',
  grant: 'let others read',
  revoke: 'take consents back',
  dispute: 'dispute what is wrong',
}

export function rightsWords(rights: readonly Right[]): string {
  return rights.map(right => RIGHT_WORDS[right]).join(', ')
}

function delegationWords(input: {
  name: string
  ground: Ground
  rights: readonly Right[]
  classes: readonly RecordClass[]
  startMs: number
  endMs: number
}): string {
  const scope = input.classes.length === 0 ? 'all of the folder' : input.classes.join(', ')
  return `${input.name || 'who made the offer'} (${input.ground}) may ${rightsWords(input.rights)} for you, in ${scope}, from ${formatDay(input.startMs)} until ${formatDay(input.endMs)}; what they do is in the log as done on your behalf`
}
