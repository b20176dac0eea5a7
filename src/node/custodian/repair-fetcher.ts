/** Carries out one repair: what is to be kept of the submission, then the sums of its lost fragments. */

import { folderCodec } from '../../contracts/folders-formats.ts'
import { stateKey } from '../../contracts/state-keys.ts'
import { EpioneError } from '../../encoding/errors.ts'
import type { FragmentStore } from '../../fragments/fragment-store.ts'
import { fragmentLength } from '../../fragments/layout.ts'
import type { Network } from '../../network/network.ts'
import type { Chain } from '../chain.ts'
import type { Directory } from '../directory.ts'
import type { Damages } from './damages.ts'
import type { ErasureService } from './erasure.ts'
import { type Holdings, indexOf, type Placed } from './holdings.ts'
import type { Pace } from './pace.ts'
import { askMetas, SumStreams, type ToKeep } from './repair-client.ts'
import type { Helper, Ordered } from './repair-plan.ts'
import type { Room } from './repair-room.ts'
import type { RepairStrays } from './repair-strays.ts'
import type { RepairSurvey } from './repair-survey.ts'
import { RepairWriter, type StoredFragment } from './repair-writer.ts'
import type { ErasedLeaf, HeldVersion, Submission, Submissions } from './submissions.ts'

export interface RepairFetcherDependencies {
  chain: Chain
  directory: Directory
  network: Pick<Network, 'openStream'>
  fragments: FragmentStore
  submissions: Submissions
  holdings: Holdings
  damages: Damages
  erasures: Pick<ErasureService, 'recheck'>
  strays: Pick<RepairStrays, 'begin' | 'end'>
  survey: Pick<RepairSurvey, 'ask'>
  pace: Pace
  now: () => number
}

export class RepairFetcher {
  readonly #options: { custodian: Uint8Array; signal: AbortSignal }
  readonly #deps: RepairFetcherDependencies

  /** @param options `signal` ends every repair */
  constructor(options: { custodian: Uint8Array; signal: AbortSignal }, dependencies: RepairFetcherDependencies) {
    this.#options = options
    this.#deps = dependencies
  }

  /** Bytes that a repair will store: where it is not known here which versions there are, what the anchor allows for at most. */
  async bytesWanted({ root, anchor }: Placed): Promise<number> {
    const { submissions, holdings } = this.#deps
    const known = await submissions.get(root)
    if (known === undefined || !(await this.#isReadable(root, known))) return Math.ceil(2 ** anchor.sizeBucket / anchor.k)
    let bytes = 0
    for (const leaf of await holdings.lacking(root, known)) {
      const version = await submissions.version(root, leaf)
      if (version !== undefined) bytes += fragmentLength(version.meta.size, anchor.n, anchor.k)
    }
    return bytes
  }

  /**
   * @param room what was taken for it; it takes more where the anchor told too little
   * @returns bytes of the fragments that came, and helpers that had no part of some
   * @throws HelperFailure, EpioneError `corrupt-fragment` where a sum is wrong, and what the disk and the store fail with
   */
  async fetch({ placed, helpers, attempt, there }: Ordered, room: Room): Promise<{ bytes: number; without: Helper[] }> {
    const { directory, network, submissions, fragments, holdings, strays, pace, now } = this.#deps
    const { signal } = this.#options
    const { folder, root, anchor } = placed
    const known = await submissions.get(root)
    const isReadable = known !== undefined && (await this.#isReadable(root, known))
    const submission = isReadable ? known : await this.#keepMetas(placed, there, known)
    const leaves = await holdings.lacking(root, submission)
    if (leaves.length === 0) return { bytes: 0, without: [] }
    const peers = helpers.map(({ id }) => directory.byId(id)?.organisation.networkKey ?? new Uint8Array(0))
    const streams = await SumStreams.open(network, peers, { folder, submissionRoot: root, attempt, leaves }, signal)
    const writer = new RepairWriter({ root, index: submission.index, n: anchor.n, k: anchor.k }, { fragments, pace, now })
    let bytes = 0
    try {
      await strays.begin(root)
      for (const leaf of leaves) {
        const version = await submissions.version(root, leaf)
        if (version === undefined) throw new EpioneError('forgotten', 'A version was erased while it was repaired.')
        bytes += fragmentLength(version.meta.size, anchor.n, anchor.k)
        room.atLeast(bytes)
        await writer.take(leaf, version, streams, signal)
      }
      await writer.finish()
      await streams.end()
      return { bytes: writer.bytes, without: helpers.filter((_, i) => writer.without.has(i)) }
    } catch (error) {
      streams.abort()
      await writer.abort()
      throw error
    } finally {
      await this.#afterStored(folder, root, writer.stored)
      await strays.end(root)
    }
  }

  async #isReadable(root: Uint8Array, { versions }: Submission): Promise<boolean> {
    for (let leaf = 0; leaf < versions; leaf++) {
      if ((await this.#deps.submissions.versionOrForgotten(root, leaf)) === 'forgotten') return false
    }
    return true
  }

  /**
   * Gets what is kept of a submission beside fragments, and keeps it. Who says of a version that it is erased may lie, which its leaf's
   * hash does not show: then others are asked, until k = f + 1 have said so, one of whom is honest.
   * @param known what is here of it, with versions that cannot be opened; those that can stay, and so do those that are erased
   */
  async #keepMetas(placed: Placed, there: readonly Helper[], known: Submission | undefined): Promise<Submission> {
    const { chain, network, submissions, fragments } = this.#deps
    const { folder, root, anchor } = placed
    const line = chain.tip.tree.get(stateKey.folder(folder))
    const index = known?.index ?? indexOf(placed, this.#options.custodian)
    if (line === undefined || index === undefined) throw new EpioneError('not-found', 'The submission is not to be held here any more.')
    const { labelCommitment } = folderCodec.decode(line)
    let kept: ToKeep | undefined
    let answers = 0
    for (const { id } of there) {
      const told = await this.#deps.survey.ask(id, async (peer, signal) => await askMetas(network, peer, placed, labelCommitment, signal))
      if (told === undefined) continue
      kept =
        kept === undefined
          ? told
          : { ...kept, versions: kept.versions.map((version, leaf) => ('meta' in version ? version : (told.versions[leaf] ?? version))) }
      if (++answers === anchor.k || kept.versions.every(version => 'meta' in version)) break
    }
    if (kept === undefined || (answers < anchor.k && kept.versions.some(version => !('meta' in version))))
      throw new EpioneError('too-few-helpers', 'Nobody gave what is to be kept of a submission.')
    const { label, labelSalt } = kept
    const versions = known === undefined ? kept.versions : await this.#withOwn(root, kept.versions)
    const submission: Submission = {
      folder,
      epoch: anchor.epoch,
      index,
      versions: versions.length,
      n: anchor.n,
      k: anchor.k,
      memberHeight: anchor.memberHeight,
      label,
      labelSalt,
      sponsor: anchor.author,
      bytes: versions.reduce((sum, version) => sum + ('meta' in version ? fragmentLength(version.meta.size, anchor.n, anchor.k) : 0), 0),
      anchored: true,
      stagedUntil: 0,
    }
    await submissions.put(root, submission, versions)
    // Fragments that a broken upload has staged are kept with it.
    await fragments.markAnchored(root)
    this.#recheckErasures(folder)
    return submission
  }

  /** What others told of versions, but for those of which more is known here. */
  async #withOwn(root: Uint8Array, told: ToKeep['versions']): Promise<ToKeep['versions']> {
    const { submissions } = this.#deps
    const versions: (HeldVersion | ErasedLeaf)[] = []
    for (const [leaf, other] of told.entries()) {
      const own = await submissions.versionOrForgotten(root, leaf)
      const leafHash = own === undefined ? await submissions.leafHash(root, leaf) : undefined
      versions.push(leafHash !== undefined ? { leafHash } : own === undefined || own === 'forgotten' ? other : own)
    }
    return versions
  }

  /**
   * What the ledger ordered to be erased while a repair held it in its batch was not here when the erasure came by, which comes by once:
   * it goes here. The ledger is asked too, for the erasure may be between dropping the fragment and saying so of the version.
   */
  async #afterStored(folder: Uint8Array, root: Uint8Array, stored: readonly StoredFragment[]): Promise<void> {
    const { submissions, fragments, holdings, damages } = this.#deps
    try {
      for (const { leaf, dispersalRoot } of stored) {
        const version = await submissions.versionOrForgotten(root, leaf)
        if (version === 'forgotten' || (version !== undefined && !holdings.isErased(folder, version.meta))) continue
        if (await fragments.dropFragment(root, dispersalRoot)) await fragments.scour(dispersalRoot)
      }
      await damages.mended(
        root,
        stored.map(({ leaf }) => leaf),
      )
    } finally {
      this.#recheckErasures(folder)
    }
  }

  /** What was erased while it was on its way here goes again. */
  #recheckErasures(folder: Uint8Array): void {
    const { chain, erasures } = this.#deps
    const [mark] = chain.tip.tree.entries(stateKey.erasures(folder))
    if (mark !== undefined) erasures.recheck(folder)
  }
}
