/** Grants one consent for the owner of a folder, as their delegate: says what it means, asks, grants, and prints the code to hand over. */
import { grantAsDelegate } from '../src/client/delegation.ts'
import type { Wallet } from '../src/client/folders.ts'
import { encodeShare, type ShareCode } from '../src/client/identity.ts'
import type { LightPeer } from '../src/client/light-peer.ts'
import type { Provision } from '../src/contracts/consent-terms.ts'
import { toHex } from '../src/encoding/bytes.ts'
import { confirmed } from './confirm.ts'
import type { Context } from './context.ts'
import { granteeWords, provisionWords } from './plain-consent.ts'
import { qrLines } from './qr.ts'
import { type GranteeResult, granteeResult } from './sharing-grant.ts'
import type { Recipient } from './sharing-options.ts'

/** What `--json` prints. */
export interface DelegateConsentResult {
  status: 'committed'
  consent: string
  /** What the grantee needs to read. */
  share: string
  folder: string
  grantee: GranteeResult
  note: string
  /** In ms since the epoch, end excluded. */
  validity: { start: number; end: number }
  /** Custodians that hold the grant. */
  stored: number
  height: number
}

export interface DelegateConsentInput {
  /** Share code of the delegation. */
  readonly delegation: ShareCode
  readonly recipient: Recipient
  readonly provision: Provision
  readonly note: string
  readonly yes: boolean
  readonly qr: boolean
}

export async function grantForOwner(context: Context, peer: LightPeer, wallet: Wallet, input: DelegateConsentInput): Promise<void> {
  const { signal, output } = context
  const { delegation, recipient, provision, note, yes } = input
  const { grantee, sealingKey } = recipient
  const members = await peer.members({ signal })
  output.note(`${granteeWords(grantee, note, members)} ${provisionWords(provision, members)}`)
  await confirmed(context, yes, "Grant this on the folder owner's behalf?", 'nothing was granted')
  const { consent, share, committed, stored } = await grantAsDelegate(peer, wallet, delegation, { provision, sealingKey, note }, { signal })
  const code = encodeShare(share)
  const value: DelegateConsentResult = {
    status: 'committed',
    consent: toHex(consent),
    share: code,
    folder: toHex(share.folder),
    grantee: granteeResult(grantee),
    note,
    validity: provision.validity ?? { start: 0, end: 0 },
    stored,
    height: committed.height,
  }
  const qr = input.qr ? await qrLines(code) : []
  output.result(value, () => [...qr, code])
  output.note('hand over the share code; it ends with the delegation at the latest, and its owner can take it back')
}
