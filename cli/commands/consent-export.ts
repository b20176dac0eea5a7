/** `epione consent export` */
import { resolve } from 'node:path'
import { consentToFhir } from '../../src/client/consent-fhir-out.ts'
import { listSharings, type OwnedSharing, type SharingRule } from '../../src/client/sharing.ts'
import { equalBytes, utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { Context } from '../context.ts'
import { granteeWords, listWords, provisionWords } from '../plain-consent.ts'
import { labelWords } from '../plain-preview.ts'
import { assertWritable, writePrivateFile } from '../private-file.ts'
import { sharingId } from '../sharing-grant.ts'
import { withWallet } from '../wallet-session.ts'

export interface ConsentExportOptions {
  patient?: string
  out?: string
}

/** What `--json` prints where a file was named; the resource itself otherwise. */
export interface ConsentExportResult {
  file: string
}

export async function consentExport(context: Context, options: ConsentExportOptions, sharing: string): Promise<void> {
  const { signal, output } = context
  const id = sharingId(sharing)
  const file = options.out === undefined ? null : resolve(options.out)
  if (file !== null) await assertWritable(file)
  await withWallet(context, async ({ peer, wallet }) => {
    const { sharings } = await listSharings(peer, wallet, { signal })
    const found = sharings.find(one => equalBytes(one.id, id))
    if (found === undefined) throw new EpioneError('not-found', 'This wallet has no sharing decision with this id.')
    const members = await peer.members({ signal })
    const rules = rulesOf(found)
    const words = rules.map(
      ({ labels, provision }) =>
        `${granteeWords(provision.grantee, found.note, members)} ${provisionWords(provision, members)}: ${listWords(labels.map(labelWords))}`,
    )
    const active = found.consents.some(({ consent }) => consent.line.status === 'active')
    const about = { chainId: peer.chainId, timeMs: found.time, words: words.join('\n'), active }
    const consent = consentToFhir(rules, options.patient === undefined ? about : { ...about, patient: options.patient })
    if (file === null) output.result(consent, () => [JSON.stringify(consent, null, 2)])
    else {
      await writePrivateFile(file, [utf8(`${JSON.stringify(consent, null, 2)}\n`)])
      output.result({ file } satisfies ConsentExportResult, () => [file])
    }
  })
}

/** The rules of a decision, as its consents still tell them. @throws EpioneError `terms-unknown` */
function rulesOf({ consents }: OwnedSharing): SharingRule[] {
  const rules = new Map<number, SharingRule>()
  for (const { consent } of consents) {
    if (consent.sharing === null || consent.provision === null) {
      throw new EpioneError('terms-unknown', 'The terms of a consent are with custodians that did not answer; try again later.')
    }
    rules.set(consent.sharing.rule, { labels: consent.sharing.labels, provision: consent.provision })
  }
  return [...rules].sort(([a], [b]) => a - b).map(([, rule]) => rule)
}
