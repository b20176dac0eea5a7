/** `epione consent list` */
import { listConsents, type OwnedConsent } from '../../src/client/consents.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { type ConsentStatus, consentStatus } from '../consent-status.ts'
import type { Context } from '../context.ts'
import { type AsOfResult, asOfResult, formatDay } from '../format.ts'
import { granteeWords, type NamedMember, provisionWords } from '../plain-consent.ts'
import { withOwnedFolder } from '../wallet-session.ts'

export interface ConsentListOptions {
  folder: string
  all?: boolean
}

/** What `--json` prints. */
export interface ConsentListResult {
  consents: readonly {
    consent: string
    status: ConsentStatus
    /** The decision that it is part of, or null. */
    sharing: string | null
    /** Terms, or null where no custodian that answered has them. */
    grantee: { kind: string; organisation: string; key: string | null; role: string | null } | null
    note: string
    purposes: readonly string[]
    classes: readonly string[]
    exceptClasses: readonly string[]
    validity: { start: number; end: number } | null
    /** In plain words. */
    words: string
    height: number
  }[]
  /** What the answer was proven against: a certified header. */
  asOf: AsOfResult
}

export async function consentList(context: Context, options: ConsentListOptions): Promise<void> {
  const { signal, output } = context
  await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) => {
    // A delegation stands on a consent; it is listed for itself.
    const { entries } = await peer.list(stateKey.delegations(owned.id), { signal })
    const all = await listConsents(peer, wallet, owned, { signal })
    const consents = all.filter(({ id }) => !entries.some(([key]) => equalBytes(key.slice(33), id)))
    const members = await peer.members({ signal })
    const { header, asOf } = await peer.head({ signal })
    const rows = consents
      .map(consent => row(consent, header.time, members))
      .filter(({ status }) => options.all === true || status === 'active' || status === 'pending')
      .sort((a, b) => a.height - b.height)
    const value: ConsentListResult = { consents: rows, asOf: asOfResult(asOf) }
    output.result(value, () => rows.flatMap(({ consent, status, words }) => [`${consent}  ${status}`, `  ${words}`]))
    const hidden = consents.length - rows.length
    if (rows.length === 0)
      output.note(hidden === 0 ? 'no consents: nobody but you may read' : 'no consents in force: nobody but you may read')
    if (entries.length > 0)
      output.note(`${entries.length} ${entries.length === 1 ? 'delegation is' : 'delegations are'} listed by: epione delegate list`)
    if (hidden > 0) output.note(`${hidden} revoked or expired ${hidden === 1 ? 'one is' : 'ones are'} not shown; --all shows them`)
  })
}

function row(
  { id, line, provision, note, sharing }: OwnedConsent,
  timeMs: number,
  members: readonly NamedMember[],
): ConsentListResult['consents'][number] {
  const common = {
    consent: toHex(id),
    note,
    height: line.height,
    sharing: sharing === null ? null : toHex(sharing.id),
    status: consentStatus({ line, provision }, timeMs),
  }
  if (provision === null) {
    return {
      ...common,
      grantee: null,
      purposes: [],
      classes: [],
      exceptClasses: [],
      validity: null,
      words: `its terms are with custodians that did not answer; it ends by ${formatDay(line.expiry)} at the latest`,
    }
  }
  const { grantee, validity } = provision
  return {
    ...common,
    grantee:
      grantee === null
        ? null
        : {
            kind: grantee.type,
            organisation: toHex(grantee.value.organisation),
            key: grantee.type === 'person' ? toHex(grantee.value.key) : null,
            role: grantee.type === 'role' ? grantee.value.role : null,
          },
    purposes: provision.purposes,
    classes: provision.classes,
    exceptClasses: provision.exceptions.filter(({ decision }) => decision === 'deny').flatMap(({ classes }) => classes),
    validity,
    words: `${granteeWords(grantee, note, members)} ${provisionWords(provision, members)}`,
  }
}
