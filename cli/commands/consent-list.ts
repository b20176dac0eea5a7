/** `epione consent list` */
import { listConsents, type OwnedConsent } from '../../src/client/consents.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { type AsOfResult, asOfResult, formatDay } from '../format.ts'
import { granteeWords, type NamedMember, provisionWords } from '../plain-consent.ts'
import { withOwnedFolder } from '../wallet-session.ts'

export interface ConsentListOptions {
  folder: string
  all?: boolean
}

type Status = 'active' | 'pending' | 'revoked' | 'expired'

/** What `--json` prints. */
export interface ConsentListResult {
  consents: readonly {
    consent: string
    /** `pending`: it begins later. */
    status: Status
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
  { id, line, provision, note }: OwnedConsent,
  timeMs: number,
  members: readonly NamedMember[],
): ConsentListResult['consents'][number] {
  const common = { consent: toHex(id), note, height: line.height }
  if (provision === null) {
    return {
      ...common,
      status: line.status === 'revoked' ? 'revoked' : line.expiry <= timeMs ? 'expired' : 'active',
      grantee: null,
      purposes: [],
      classes: [],
      exceptClasses: [],
      validity: null,
      words: `its terms are with custodians that did not answer; it ends by ${formatDay(line.expiry)}`,
    }
  }
  const { grantee, validity } = provision
  const ended = line.expiry <= timeMs || (validity !== null && validity.end <= timeMs)
  const status: Status =
    line.status === 'revoked' ? 'revoked' : ended ? 'expired' : validity !== null && validity.start > timeMs ? 'pending' : 'active'
  return {
    ...common,
    status,
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
