/** What the operations of a load do: real acts of light peers, with what each needs prepared before. */

import { grantConsent, revokeConsent } from '../../src/client/consents.ts'
import { scanFolders } from '../../src/client/folders.ts'
import { type ListedVersion, listVersions, readVersions } from '../../src/client/get.ts'
import { type Person, personFromSeeds, type ShareCode } from '../../src/client/identity.ts'
import { createLightPeer, type LightPeer } from '../../src/client/light-peer.ts'
import { putRecords } from '../../src/client/put.ts'
import { openSession, type Session } from '../../src/client/session.ts'
import type { Provision } from '../../src/contracts/consent-terms.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { Transaction } from '../../src/ledger/transaction.ts'
import { createAnchors } from '../bench/anchors.ts'
import { type BenchFolder, openBenchFolder } from '../bench/folder.ts'
import type { Testnet } from '../launcher/testnet.ts'
import { generateBytes } from '../population/random.ts'
import { FolderSupply } from './folders.ts'
import type { Mix, Operation } from './mix.ts'

/** Length of a record that is written or read, in bytes. */
const RECORD_BYTES = 10_000
/** After how long a reader opens another chart session, in ms: each lasts half an hour. */
const SESSION_MS = 20 * 60_000
const CONSENT_MS = 30 * 86_400_000

export interface AnchorLine {
  readonly id: Uint8Array
  readonly height: number
}

/** A record whose write was acknowledged. */
export interface WrittenRecord {
  readonly recordId: Uint8Array
  readonly version: number
  readonly submissionRoot: Uint8Array
  readonly size: number
  readonly height: number
}

/** A consent of the chart for a reader. */
export async function grantTo(
  peer: LightPeer,
  { wallet, owned }: BenchFolder,
  reader: Person,
): Promise<{ share: ShareCode; consent: Uint8Array }> {
  const provision: Provision = {
    decision: 'permit',
    grantee: { type: 'person', value: { organisation: reader.organisation, key: reader.signing.publicKey } },
    purposes: ['TREAT'],
    classes: [],
    dataPeriod: null,
    authors: [],
    validity: { start: 0, end: peer.now() + CONSENT_MS },
    exceptions: [],
  }
  return await grantConsent(peer, wallet, owned, { provision, sealingKey: reader.sealing.publicKey })
}

export class LoadWorld {
  /** Transactions whose receipt was shown and proven. */
  readonly anchored: AnchorLine[] = []
  readonly written: WrittenRecord[] = []
  /** One for each node, which turns to the others only while its own does not answer. */
  readonly peers: readonly LightPeer[]
  readonly #net: Testnet
  readonly #seed: number
  readonly #reader: Person
  #anchor: ((i: number) => Transaction) | undefined
  #grants: FolderSupply | undefined
  #chart: { folder: BenchFolder; share: ShareCode } | undefined
  #session: { opened: Promise<Session>; atMs: number } | undefined
  #granted: { folder: BenchFolder; consent: Uint8Array }[] = []

  private constructor(net: Testnet, peers: readonly LightPeer[], seed: number) {
    this.#net = net
    this.peers = peers
    this.#seed = seed
    this.#reader = personFromSeeds(net.registrar(1 % net.nodes.length))
  }

  /** Connects, and prepares what the operations of a mix need. */
  static async open(net: Testnet, { seed, mix }: { seed: number; mix: Mix }): Promise<LoadWorld> {
    const peers = await Promise.all(
      net.nodes.map(async (node, i) => {
        const others = [...net.nodes.slice(i + 1), ...net.nodes.slice(0, i)]
        return await createLightPeer({ nodes: [node, ...others].map(({ addresses }) => addresses[0] as string), genesis: net.genesis })
      }),
    )
    const world = new LoadWorld(net, peers, seed)
    try {
      await world.#prepare(mix)
      return world
    } catch (error) {
      await world.stop()
      throw error
    }
  }

  async #prepare({ anchors = 0, writes = 0, grants = 0, reads = 0, searches = 0 }: Mix): Promise<void> {
    const first = this.peers[0] as LightPeer
    if (anchors > 0) this.#anchor = await createAnchors(this.#net, first, this.#seed)
    if (grants > 0) this.#grants = new FolderSupply(this.#net, first, this.#seed)
    if (writes + reads + searches === 0) return
    const folder = await openBenchFolder(this.#net, first, this.#seed)
    await this.#put(first, folder, 0)
    this.#chart = { folder, share: (await grantTo(first, folder, this.#reader)).share }
  }

  /** Does one operation, by the light peer of one of the nodes. @param i number of the operation: what it writes follows from it */
  async run(operation: Operation, i: number): Promise<void> {
    const peer = this.peers[i % this.peers.length] as LightPeer
    switch (operation) {
      case 'anchors': {
        const transaction = needed(this.#anchor)(i)
        const { height } = await peer.submit(transaction)
        this.anchored.push({ id: transaction.id, height })
        return
      }
      case 'writes':
        await this.#put(peer, needed(this.#chart).folder, i)
        return
      case 'grants':
        await this.#grantOrRevoke(peer)
        return
      case 'reads':
        await this.#read(peer, i)
        return
      case 'searches':
        await this.#search(peer, i)
        return
      default:
        operation satisfies never
    }
  }

  /** Records whose write was acknowledged and that the reader does not get, whole and verified. */
  async unreadable(): Promise<string[]> {
    if (this.#chart === undefined) return []
    const peer = this.peers[0] as LightPeer
    const session = await openSession(peer, this.#reader, this.#chart.share)
    const { versions } = await listVersions(peer, session)
    const missing: string[] = []
    const wanted: ListedVersion[] = []
    for (const { recordId, version, height } of this.written) {
      const listed = versions.find(each => each.version === version && equalBytes(each.recordId, recordId))
      if (listed === undefined) missing.push(`the record ${toHex(recordId).slice(0, 8)} of height ${height} is not listed`)
      else wanted.push(listed)
    }
    for (const listed of wanted) {
      const known = this.written.find(({ recordId }) => equalBytes(recordId, listed.recordId)) as WrittenRecord
      try {
        if ((await sizeOf(peer, session, [listed])) !== known.size)
          missing.push(`the record ${toHex(listed.recordId).slice(0, 8)} has another length`)
      } catch (error) {
        const code = error instanceof EpioneError ? error.code : 'internal'
        missing.push(`the record ${toHex(listed.recordId).slice(0, 8)} of height ${known.height} cannot be read (${code})`)
      }
    }
    return missing
  }

  async stop(): Promise<void> {
    await Promise.all(this.peers.map(async peer => await peer.stop()))
  }

  async #put(peer: LightPeer, { person, address }: BenchFolder, i: number): Promise<void> {
    const content = { size: RECORD_BYTES, open: () => generateBytes(this.#seed + i, RECORD_BYTES) }
    const { versions, anchored, submissionRoot } = await putRecords(peer, person, address, [
      { mediaType: 'application/octet-stream', class: 'other', content },
    ])
    for (const { recordId, version } of versions)
      this.written.push({ recordId, version, submissionRoot, size: RECORD_BYTES, height: anchored.height })
  }

  async #grantOrRevoke(peer: LightPeer): Promise<void> {
    const before = this.#granted.shift()
    if (before !== undefined) {
      await revokeConsent(peer, before.folder.wallet, before.folder.owned, before.consent)
      return
    }
    const folder = await needed(this.#grants).next()
    const { consent } = await grantTo(peer, folder, this.#reader)
    // The revocation is an act of the folder too.
    await needed(this.#grants).next()
    this.#granted.push({ folder, consent })
  }

  async #read(peer: LightPeer, i: number): Promise<void> {
    const listed = await this.#list(peer, i)
    if ((await sizeOf(peer, await this.#openSession(peer), [listed])) !== RECORD_BYTES)
      throw new EpioneError('malformed', 'a record of another length')
  }

  async #search(peer: LightPeer, i: number): Promise<void> {
    const { folders } = await scanFolders(peer, needed(this.#chart).folder.wallet)
    if (folders.length === 0) throw new EpioneError('not-found', 'the wallet finds none of its folders')
    await this.#list(peer, i)
  }

  /** One record of the chart. One submission is listed, not all: else each record that is written makes every later read longer. */
  async #list(peer: LightPeer, i: number): Promise<ListedVersion> {
    const { submissionRoot } = this.written[i % this.written.length] as WrittenRecord
    const { versions } = await listVersions(peer, await this.#openSession(peer), { submission: submissionRoot })
    const [listed] = versions
    if (listed === undefined) throw new EpioneError('not-found', 'the chart does not show a record that was acknowledged')
    return listed
  }

  async #openSession(peer: LightPeer): Promise<Session> {
    const now = performance.now()
    if (this.#session === undefined || now - this.#session.atMs > SESSION_MS) {
      const opened = openSession(peer, this.#reader, needed(this.#chart).share)
      this.#session = { opened, atMs: now }
      opened.catch(() => {
        this.#session = undefined
      })
    }
    return await this.#session.opened
  }
}

async function sizeOf(peer: LightPeer, session: Session, listed: readonly ListedVersion[]): Promise<number> {
  let size = 0
  for await (const { content } of readVersions(peer, session, listed)) for await (const chunk of content) size += chunk.length
  return size
}

function needed<T>(prepared: T | undefined): T {
  if (prepared === undefined) throw new EpioneError('invalid-argument', 'the mix did not name this operation when the load was prepared')
  return prepared
}
