/**
 * Fragments that a repair stored although their version was erased while it had them. A repair drops them itself; if the node stops
 * in between, nobody would ask for them again. So it is noted which submissions have a repair under way, and at a start what is left of
 * those is dropped before anything is served.
 */

import { toHex } from '../../encoding/bytes.ts'
import type { FragmentStore } from '../../fragments/fragment-store.ts'
import type { KeyValueStore } from '../../ledger/store.ts'
import type { Submissions } from './submissions.ts'

const PRESENT = Uint8Array.of(1)

export interface RepairStraysDependencies {
  fragments: FragmentStore
  submissions: Submissions
}

export class RepairStrays {
  readonly #store: KeyValueStore
  readonly #deps: RepairStraysDependencies

  /** @param store a part of its own; it has an entry for each repair under way */
  constructor(store: KeyValueStore, dependencies: RepairStraysDependencies) {
    this.#store = store
    this.#deps = dependencies
  }

  /** Drops what repairs that were cut short left of erased versions. */
  async start(): Promise<void> {
    for await (const [root] of this.#store.iterator({})) if (await this.#drop(root)) await this.end(root)
  }

  /** Notes, on disk when it returns, that a repair is about to store fragments of a submission. */
  async begin(root: Uint8Array): Promise<void> {
    await this.#store.batch([{ type: 'put', key: root, value: PRESENT }], { sync: true })
  }

  /** Says that what a repair stored was looked through. */
  async end(root: Uint8Array): Promise<void> {
    await this.#store.batch([{ type: 'del', key: root }])
  }

  /** Returns false where a version cannot be opened, so that nobody knows which fragment is its own. */
  async #drop(root: Uint8Array): Promise<boolean> {
    const { fragments, submissions } = this.#deps
    const submission = await submissions.get(root)
    const own = new Set<string>()
    for (let leaf = 0; leaf < (submission?.versions ?? 0); leaf++) {
      const version = await submissions.versionOrForgotten(root, leaf)
      if (version === 'forgotten') return false
      if (version !== undefined) own.add(toHex(version.meta.leaf.dispersalRoot))
    }
    if (submission === undefined) return true
    for (const { dispersalRoot } of await fragments.fragmentsOf(root)) {
      if (own.has(toHex(dispersalRoot))) continue
      if (await fragments.dropFragment(root, dispersalRoot)) await fragments.scour(dispersalRoot)
    }
    return true
  }
}
