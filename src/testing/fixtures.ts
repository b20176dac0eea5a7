/** Patients, permits and records for tests, in a line each. */
import { createEnrolment, type FolderAddress, type OwnedFolder, openFolders, scanFolders, type Wallet } from '../client/folders.ts'
import type { Person } from '../client/identity.ts'
import type { LightPeer } from '../client/light-peer.ts'
import { createWallet } from '../client/new-wallet.ts'
import type { RecordInput } from '../client/record-input.ts'
import { contentOf } from '../client/record-object.ts'
import type { Provision } from '../contracts/consent-terms.ts'
import type { Label } from '../contracts/folders-formats.ts'
import { utf8 } from '../encoding/bytes.ts'

const MONTH_MS = 30 * 86_400_000
const MINUTE_MS = 60_000

export interface EnrolledPatient {
  readonly wallet: Wallet
  /** From which the recovery keys come: what a patient keeps on paper. */
  readonly recoverySeed: Uint8Array
  /** Her folder as she holds it, and as its author organisation does. */
  readonly owned: OwnedFolder
  readonly address: FolderAddress
}

/** Enrols a new patient with a fresh wallet at the organisation of a person of its staff: one folder, of this label. */
export async function enrolPatient(
  peer: LightPeer,
  author: Person,
  options: { label?: Label; signal?: AbortSignal } = {},
): Promise<EnrolledPatient> {
  const { label = 'normal', signal } = options
  const { wallet, recoverySeed } = createWallet()
  const enrolment = createEnrolment(wallet, { chainId: peer.chainId, organisation: author.organisation, firstIndex: 0, labels: [label] })
  const { folders } = await openFolders(peer, author, enrolment, { signal })
  const { folders: found } = await scanFolders(peer, wallet, { signal })
  return { wallet, recoverySeed, owned: found[0] as OwnedFolder, address: folders[0] as FolderAddress }
}

/** What lets one person read everything in a folder for treatment, for a month from `nowMs`. */
export function permitFor(person: Person, nowMs: number = Date.now()): Provision {
  return {
    decision: 'permit',
    grantee: { type: 'person', value: { organisation: person.organisation, key: person.signing.publicKey } },
    purposes: ['TREAT'],
    classes: [],
    dataPeriod: null,
    authors: [],
    validity: { start: nowMs - MINUTE_MS, end: nowMs + MONTH_MS },
    exceptions: [],
  }
}

/** A record of plain text. @default class `laboratory` */
export function textRecord(text: string, recordClass: RecordInput['class'] = 'laboratory'): RecordInput {
  return { mediaType: 'text/plain', class: recordClass, content: contentOf(utf8(text)) }
}
