/** What readers have got hold of over a history, each of it with leave, and what it opens. */
import * as assert from 'uvu/assert'
import { decryptObject } from '../../src/crypto/object-stream.ts'
import { sealingOpener } from '../../src/crypto/sealing.ts'
import { combineShares, type PositionedShare } from '../../src/crypto/secret-sharing.ts'
import { concat, equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { fragmentRootProof } from '../../src/fragments/dispersal.ts'
import { sealingContext, type VersionMeta } from '../../src/fragments/formats.ts'
import { assemble } from '../../src/fragments/gather.ts'
import { openPastKeys } from '../../src/fragments/past-keys.ts'
import type { FragmentSource } from '../../src/fragments/source-reader.ts'
import { chunks } from '../fragments/dispersed.ts'
import { CODE, type Custodian } from './access-custodian.ts'
import type { Model, VersionRow } from './access-model.ts'
import { HOLDERS, holder, organisationOf } from './access-people.ts'
import type { AccessWorld, Deposit, Folder, Version } from './access-world.ts'

/** Private halves of folders by folder and epoch. */
type Seeds = Map<string, Uint8Array>
type Sources = Map<number, FragmentSource>

/** Somebody who keeps everything. */
interface Stash {
  readonly seeds: Seeds
  /** Highest epoch of a folder whose key they were given with leave. */
  readonly reached: Map<Folder, number>
  readonly metas: Map<VersionRow, VersionMeta>
  /** Fragments by ciphertext and custodian. */
  readonly sources: Map<number, Sources>
  /** Shares of folders' keys. */
  readonly shares: Map<Deposit, PositionedShare[]>
}

const seedName = (folder: Folder, epoch: number): string => `${toHex(folder.id)} ${epoch}`

export class Stashes {
  readonly #world: AccessWorld
  readonly #all: readonly Stash[] = HOLDERS.map(() => ({
    seeds: new Map(),
    reached: new Map(),
    metas: new Map(),
    sources: new Map(),
    shares: new Map(),
  }))

  constructor(world: AccessWorld) {
    this.#world = world
  }

  of(index: number): Stash {
    return this.#all[index] as Stash
  }

  /** The key of an epoch, with what opens the epochs before it, where that was there. */
  learn(index: number, folder: Folder, epoch: number, seed: Uint8Array, past: Uint8Array | null): void {
    const { seeds, reached } = this.of(index)
    const placed = { chainId: this.#world.ledger.chainId, folder: folder.id, epoch }
    const before = past === null ? [] : openPastKeys(sealingOpener(seed), past, placed)
    for (const [i, one] of [...before.entries(), [epoch, seed] as const]) seeds.set(seedName(folder, i), one)
    reached.set(folder, Math.max(epoch, reached.get(folder) ?? -1))
  }

  addFragment(index: number, row: VersionRow, source: FragmentSource): void {
    const { sources } = this.of(index)
    sources.set(row.group, (sources.get(row.group) ?? new Map()).set(source.index, source))
  }

  /** One more share; the key once there are enough. */
  async addShare(index: number, deposit: Deposit, share: PositionedShare, past: Uint8Array | null): Promise<boolean> {
    const { shares } = this.of(index)
    const known = [...(shares.get(deposit) ?? []).filter(({ position }) => position !== share.position), share]
    shares.set(deposit, known)
    if (known.length < CODE.k) return false
    this.learn(index, deposit.folder, deposit.epoch, await combineShares(known, deposit.split.commitments), past)
    return true
  }

  /** What readers can decrypt with all that they ever got, alone and with a dishonest custodian, is what they had leave for. */
  async check(model: Model, count: (what: string) => void): Promise<void> {
    const groups = Map.groupBy(model.versions, ({ group }) => group)
    for (const index of HOLDERS.keys()) {
      const { member } = holder(index)
      // People have what their organisation was given for them.
      const given = [this.of(index), ...(member === null ? [] : [this.of(organisationOf(member))])]
      const seeds: Seeds = new Map(given.flatMap(stash => [...stash.seeds]))
      const all = await this.#withAccomplice(index, seeds)
      for (const rows of groups.values()) await this.#checkGroup(index, given, rows, { seeds, all, model, count })
    }
  }

  async #checkGroup(
    index: number,
    given: readonly Stash[],
    rows: readonly VersionRow[],
    { seeds, all, model, count }: { seeds: Seeds; all: Seeds; model: Model; count: (what: string) => void },
  ): Promise<void> {
    const { metas, sources } = this.of(index)
    const got: Sources = sources.get((rows[0] as VersionRow).group) ?? new Map()
    const what = `holder ${index} and version ${model.versions.indexOf(rows[0] as VersionRow)}`
    let isExpected = false
    let can = false
    let together = false
    for (const row of rows) {
      const { version } = row
      const hasKey = seeds.has(seedName(version.folder, version.epoch))
      const reached = Math.max(...given.map(stash => stash.reached.get(version.folder) ?? -1))
      assert.ok(!hasKey || version.epoch <= reached, `a key of an epoch that nothing reached: ${what}`)
      isExpected ||= hasKey && metas.has(row) && got.size >= CODE.k
      can ||= await this.#decrypts(seeds, version, metas.get(row), got)

      // Together with one custodian that gives away its fragments, its metadata, its shares and every wrap.
      const accomplice = this.#world.custodians[0] as Custodian
      const held = await accomplice.parts.submissions.version(version.root, 0)
      const own = held === undefined ? undefined : await ownSource(accomplice, version, held.fragmentRoots)
      if (held !== undefined && own !== undefined) together ||= await this.#decrypts(all, version, held.meta, new Map([...got, [0, own]]))
    }
    assert.is(can, isExpected, what)
    count(can ? 'decrypted' : 'not decrypted')
    const honest = [...got.keys()].filter(number => number !== 0)
    assert.ok(!together || honest.length >= CODE.k - 1, `${what}, and a custodian alone`)
    count(together ? 'decrypted together' : 'not decrypted together')
  }

  /** The keys that somebody comes to who is given every wrap that was ever made for them, and one custodian's shares. */
  async #withAccomplice(index: number, seeds: Seeds): Promise<Seeds> {
    const all: Seeds = new Map(seeds)
    const { ledger, wraps, custodians } = this.#world
    const add = (folder: Folder, epoch: number, seed: Uint8Array): void => {
      for (let i = 0; i < epoch; i++) all.set(seedName(folder, i), this.#world.seedOf(folder, i))
      all.set(seedName(folder, epoch), seed)
    }
    const { member, sealing } = holder(index)
    const openers = new Map([
      [index, sealing],
      ...(member === null ? [] : [[organisationOf(member), holder(organisationOf(member)).sealing] as const]),
    ])
    for (const { holder: to, folder, epoch, commitment, wrap } of wraps) {
      const opener = openers.get(to)
      if (opener === undefined) continue
      add(folder, epoch, opener.open(wrap, sealingContext.grant(ledger.chainId, folder.id, epoch, commitment)))
    }
    for (const [deposit, shares] of this.of(index).shares) {
      const position = this.#world.positionOf(deposit.folder, custodians[0] as Custodian)
      const own = { position, share: deposit.split.shares[position] as Uint8Array }
      const both = [...shares.filter(known => known.position !== position), own]
      if (both.length >= CODE.k) add(deposit.folder, deposit.epoch, await combineShares(both, deposit.split.commitments))
    }
    return all
  }

  /** Whether the plaintext of a version comes out, with any of the keys. */
  async #decrypts(seeds: Seeds, { folder, plaintext }: Version, meta: VersionMeta | undefined, sources: Sources): Promise<boolean> {
    if (meta === undefined) return false
    for (const [name, seed] of seeds) {
      if (!name.startsWith(toHex(folder.id))) continue
      const epoch = Number(name.split(' ')[1])
      const context = sealingContext.versionKey(this.#world.ledger.chainId, folder.id, epoch, meta.leaf.recordId, meta.leaf.version)
      try {
        const dek = sealingOpener(seed).open(meta.sealedKey, context)
        const shape = { ...CODE, size: meta.size, dispersalRoot: meta.leaf.dispersalRoot }
        const pieces: Uint8Array[] = []
        for await (const piece of decryptObject(dek, assemble({ ...shape, sources: [...sources.values()] }), meta.size)) {
          pieces.push(Uint8Array.from(piece))
        }
        return equalBytes(concat(...pieces), plaintext)
      } catch (error) {
        if (!['unsealing-failed', 'too-few-fragments'].includes(errorCode(error))) throw error
      }
    }
    return false
  }
}

/** A custodian's own fragment, as it can give it away; undefined where it does not have it. */
async function ownSource(
  { parts, number }: Custodian,
  { meta }: Version,
  fragmentRoots: readonly Uint8Array[],
): Promise<FragmentSource | undefined> {
  const key = { dispersalRoot: meta.leaf.dispersalRoot, index: number }
  const fragment = await parts.fragments.readAll(key).catch(() => undefined)
  if (fragment === undefined) return undefined
  const chunkLeaves = await parts.fragments.chunkLeaves(key)
  const fragmentRoot = fragmentRoots[number] as Uint8Array
  return {
    index: number,
    fragmentRoot,
    proof: fragmentRootProof(fragmentRoots, number),
    chunkLeaves,
    open: first => chunks(fragment, first),
  }
}
