/** Records whose content follows from a seed, so that whoever reads them can tell whether they are what was written. */
import { listVersions, readVersions } from '../../src/client/get.ts'
import { createLightPeer, type LightPeer } from '../../src/client/light-peer.ts'
import { putRecords } from '../../src/client/put.ts'
import { openOwnSession, type Session } from '../../src/client/session.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { sha256Stream } from '../../src/encoding/hash.ts'
import { type BenchFolder, openBenchFolder } from '../bench/folder.ts'
import type { Testnet } from '../launcher/testnet.ts'
import { generateBytes, seededRandom } from '../population/random.ts'

/** Records written at the same time. */
const WRITTEN_AT_ONCE = 4
/** Age at which a session is opened anew, in ms: one lasts half an hour. */
const SESSION_AGE_MS = 20 * 60 * 1000

export interface ArchivedRecord {
  /** Seed of its content. */
  readonly seed: number
  /** In bytes. */
  readonly size: number
  readonly submissionRoot: Uint8Array
}

export interface ArchiveOptions {
  seed: number
  records: number
  /** Sizes of content, in bytes; spread evenly over their logarithms. */
  minBytes: number
  maxBytes: number
  onProgress?: (done: number, bytes: number) => void
}

/** One patient's records, and a light peer that reads them. */
export class Archive {
  readonly records: ArchivedRecord[] = []
  readonly #peer: LightPeer
  readonly #folder: BenchFolder
  #session: { opened: number; session: Promise<Session> } | undefined

  private constructor(peer: LightPeer, folder: BenchFolder) {
    this.#peer = peer
    this.#folder = folder
  }

  /** Writes as many records as asked for. @param nodes positions of nodes that the reader may turn to */
  static async write(net: Testnet, nodes: readonly number[], options: ArchiveOptions): Promise<Archive> {
    const peer = await createLightPeer({ nodes: nodes.map(index => net.nodes[index]?.addresses[0] as string), genesis: net.genesis })
    const archive = new Archive(peer, await openBenchFolder(net, peer, options.seed))
    await archive.#write(options)
    return archive
  }

  async #write({ seed, records, minBytes, maxBytes, onProgress }: ArchiveOptions): Promise<void> {
    const random = seededRandom(seed)
    const queue = Array.from({ length: records }, (_, i) => ({
      seed: seed * 10_000 + i,
      size: Math.round(minBytes * (maxBytes / minBytes) ** random.next()),
    }))
    let bytes = 0
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const { seed: own, size } = next
        const content = { size, open: () => generateBytes(own, size) }
        const input = { mediaType: 'application/octet-stream', class: 'other' as const, content }
        const { submissionRoot } = await putRecords(this.#peer, this.#folder.person, this.#folder.address, [input])
        this.records.push({ seed: own, size, submissionRoot })
        bytes += size
        onProgress?.(this.records.length, bytes)
      }
    }
    await Promise.all(Array.from({ length: WRITTEN_AT_ONCE }, work))
  }

  /** Reads a record and compares it with what was written. Gives a code where that fails: of the error, or `other-content`. */
  async read(record: ArchivedRecord, options: { signal?: AbortSignal } = {}): Promise<string | null> {
    try {
      const session = await this.#openSession()
      const { versions } = await listVersions(this.#peer, session, { submission: record.submissionRoot, ...options })
      const hash = sha256Stream()
      let found = 0
      for await (const { content } of readVersions(this.#peer, session, versions, options)) {
        found++
        for await (const piece of content) hash.update(piece)
      }
      const expected = sha256Stream()
      for await (const piece of generateBytes(record.seed, record.size)) expected.update(piece)
      return found === 1 && equalBytes(hash.digest(), expected.digest()) ? null : 'other-content'
    } catch (error) {
      return errorCode(error)
    }
  }

  /** Reads every record once. @returns the failures, as `root: code` */
  async readAll(options: { signal?: AbortSignal; onProgress?: (done: number) => void } = {}): Promise<string[]> {
    const failures: string[] = []
    for (const [i, record] of this.records.entries()) {
      const code = await this.read(record, options)
      if (code !== null) failures.push(`${toHex(record.submissionRoot).slice(0, 8)}: ${code}`)
      options.onProgress?.(i + 1)
    }
    return failures
  }

  async #openSession(): Promise<Session> {
    if (this.#session === undefined || Date.now() - this.#session.opened > SESSION_AGE_MS) {
      const session = openOwnSession(this.#peer, this.#folder.wallet, this.#folder.owned)
      // One that failed is asked for again by the next reader.
      session.catch(() => {
        this.#session = undefined
      })
      this.#session = { opened: Date.now(), session }
    }
    return await this.#session.session
  }

  /** Accounts of the custodians that are there at present, in hex, as the ledger proves it. */
  async custodians(): Promise<Set<string>> {
    return new Set((await this.#peer.custodians()).custodians.map(({ id }) => toHex(id)))
  }

  async stop(): Promise<void> {
    await this.#peer.stop()
  }
}
