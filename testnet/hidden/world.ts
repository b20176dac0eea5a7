/** A patient with a folder that somebody may read, and records in another that was hidden from them: what the tries ask about. */
import { grantConsent } from '../../src/client/consents.ts'
import { markOf } from '../../src/client/erased.ts'
import { createEnrolment, findOwnedFolder, type OwnedFolder, openFolders, type Wallet } from '../../src/client/folders.ts'
import { openFurtherFolder } from '../../src/client/further-folder.ts'
import { listVersions } from '../../src/client/get.ts'
import { type Person, personFromSeeds } from '../../src/client/identity.ts'
import { createLightPeer, type LightPeer } from '../../src/client/light-peer.ts'
import { moveRecords } from '../../src/client/move.ts'
import { putRecords } from '../../src/client/put.ts'
import { contentOf } from '../../src/client/record-object.ts'
import { openOwnSession, openSession, type Session } from '../../src/client/session.ts'
import type { Provision } from '../../src/contracts/consent-terms.ts'
import { recoveryKey, recoveryKeyHash } from '../../src/crypto/wallet.ts'
import { toHex, utf8 } from '../../src/encoding/bytes.ts'
import { taggedHash } from '../../src/encoding/hash.ts'
import type { Testnet } from '../launcher/testnet.ts'

export interface HiddenWorld {
  readonly reader: Person
  /** The reader's light peer. */
  readonly peer: LightPeer
  /** The reader's session on the folder that they may read. */
  readonly session: Session
  /** What may be read: the submission in which the rest was anchored anew. */
  readonly open: Uint8Array
  /** What is hidden: nothing of it may show. */
  readonly hidden: {
    readonly folder: Uint8Array
    /** Submissions of the hidden folder. */
    readonly roots: readonly Uint8Array[]
    /** Submissions of the open folder in which the records were before. */
    readonly former: readonly Uint8Array[]
    readonly records: readonly Uint8Array[]
    readonly marks: readonly Uint8Array[]
    readonly consents: readonly Uint8Array[]
  }
}

/** How much is hidden. */
export interface WorldSize {
  /** Records that were stored together with what stays. */
  together: number
  /** Records that were stored by themselves. */
  alone: number
  consents: number
}

const DAY_MS = 86_400_000

function seedOf(seed: number, use: string): Uint8Array {
  return taggedHash('hidden-world', utf8(`${seed} ${use}`))
}

async function personOf(net: Testnet, at: number, seed: number, use: string): Promise<Person> {
  const node = net.nodes[at]
  if (node === undefined) throw new Error('the testnet lacks a node')
  const seeds = { signingSeed: seedOf(seed, `${use} signing`), sealingSeed: seedOf(seed, `${use} sealing`) }
  const person = personFromSeeds({ organisation: node.account, role: 'physician', ...seeds })
  await net.addStaff(at, { key: toHex(person.signing.publicKey), role: 'physician' })
  return person
}

function permit(person: Person): Provision {
  return {
    decision: 'permit',
    grantee: { type: 'person', value: { organisation: person.organisation, key: person.signing.publicKey } },
    purposes: ['TREAT'],
    classes: [],
    dataPeriod: null,
    authors: [],
    validity: { start: Date.now() - 60_000, end: Date.now() + 30 * DAY_MS },
    exceptions: [],
  }
}

const textOf = (text: string) => ({ mediaType: 'text/plain', class: 'laboratory' as const, content: contentOf(utf8(text)) })

/** Builds it over a running network. `peers` is filled with what has to be stopped. */
export async function hiddenWorld(net: Testnet, peers: LightPeer[], size: WorldSize, seed: number): Promise<HiddenWorld> {
  const connect = async (at: number): Promise<LightPeer> => {
    const peer = await createLightPeer({ nodes: [net.nodes[at]?.addresses[0] as string], genesis: net.genesis })
    peers.push(peer)
    return peer
  }
  const [author, reader, third] = [
    await personOf(net, 0, seed, 'author'),
    await personOf(net, 1, seed, 'reader'),
    await personOf(net, 2, seed, 'third'),
  ]
  const [authorPeer, readerPeer, patientPeer] = [await connect(0), await connect(1), await connect(2)]
  const recoverySeed = seedOf(seed, 'recovery')
  const wallet: Wallet = {
    seed: seedOf(seed, 'wallet'),
    recoveryKeyHashes: Array.from({ length: 4 }, (_, i) => recoveryKeyHash(recoveryKey(recoverySeed, i).publicKey)),
  }
  const enrolment = createEnrolment(wallet, { chainId: net.chainId, organisation: author.organisation, firstIndex: 0, labels: ['normal'] })
  const { folders } = await openFolders(authorPeer, author, enrolment)
  const [address] = folders
  if (address === undefined) throw new Error('no folder was opened')
  const open = await findOwnedFolder(patientPeer, wallet, address.id)

  const texts = Array.from({ length: size.together + 3 }, (_, i) => textOf(`together ${i}`))
  const first = await putRecords(authorPeer, author, address, texts)
  const chosen = first.versions.slice(1, 1 + size.together).map(({ recordId }) => ({ recordId }))
  const former = [first.submissionRoot]
  for (let i = 0; i < size.alone; i++) {
    const { submissionRoot, versions } = await putRecords(authorPeer, author, address, [textOf(`alone ${i}`)])
    former.push(submissionRoot)
    chosen.push(...versions.map(({ recordId }) => ({ recordId })))
  }
  const { owned: away } = await openFurtherFolder(patientPeer, wallet, open, 'restricted')
  await moveRecords(patientPeer, wallet, open, away, { records: chosen })
  const consents: Uint8Array[] = []
  for (let i = 0; i < size.consents; i++) consents.push(await consentOf(patientPeer, wallet, away, third))
  const { share } = await grantConsent(patientPeer, wallet, open, { sealingKey: reader.sealing.publicKey, provision: permit(reader) })
  const session = await openSession(readerPeer, reader, share)
  const { versions } = await listVersions(patientPeer, await openOwnSession(patientPeer, wallet, away))
  const roots = [...new Map(versions.map(({ submission }) => [toHex(submission.root), submission.root])).values()]
  const left = (await listVersions(readerPeer, session)).versions
  const records = versions.map(({ recordId }) => recordId)
  return {
    reader,
    peer: readerPeer,
    session,
    open: left[0]?.submission.root as Uint8Array,
    hidden: { folder: away.id, roots, former, records, marks: versions.map(markOf), consents },
  }
}

async function consentOf(peer: LightPeer, wallet: Wallet, owned: OwnedFolder, person: Person): Promise<Uint8Array> {
  const { share } = await grantConsent(peer, wallet, owned, { sealingKey: person.sealing.publicKey, provision: permit(person) })
  return share.consent
}
