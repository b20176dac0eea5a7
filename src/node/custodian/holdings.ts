/** What this node's ledger says of who holds what, and what of it is here. */

import { type Anchor, anchorCodec } from '../../contracts/records-formats.ts'
import { isErasedAt } from '../../contracts/release-facts.ts'
import { NAMESPACE, stateKey } from '../../contracts/state-keys.ts'
import { equalBytes } from '../../encoding/bytes.ts'
import { EpioneError } from '../../encoding/errors.ts'
import type { VersionMeta } from '../../fragments/formats.ts'
import type { FragmentStore } from '../../fragments/fragment-store.ts'
import { type CustodianSet, custodianSet, holdersAfter } from '../../fragments/holders.ts'
import type { StateTree } from '../../ledger/state-tree.ts'
import type { Chain, ChainTip } from '../chain.ts'
import { custodiansAt, latestCustodians } from '../directory.ts'
import { policyOf } from '../folder-facts.ts'
import type { Damages } from './damages.ts'
import type { Submission, Submissions } from './submissions.ts'

/** Drift of clocks that is allowed for before a custodian takes itself for cut off, in ms. */
const DRIFT_MS = 15_000

/** A submission as the ledger anchors it, with those who are to hold it today. */
export interface Placed {
  readonly folder: Uint8Array
  readonly root: Uint8Array
  readonly anchor: Anchor
  /** Account ids by index; undefined where nobody is to hold it. */
  readonly holders: readonly (Uint8Array | undefined)[]
  /** The one index of everybody who is or was a holder, by account id in hex: what it may have still, and nothing else. */
  readonly entitled: ReadonlyMap<string, number>
}

export interface HoldingsDependencies {
  chain: Chain
  fragments: FragmentStore
  submissions: Submissions
  damages: Damages
  now: () => number
}

export class Holdings {
  readonly #deps: HoldingsDependencies
  /** Every set of custodians, ascending, as long as the newest stands. */
  #sets: { readonly newest: number; readonly sets: readonly { height: number; set: CustodianSet }[] } | undefined

  constructor(dependencies: HoldingsDependencies) {
    this.#deps = dependencies
  }

  /** Whether this node's ledger is new enough to decide on. */
  isFresh(tip: ChainTip = this.#deps.chain.tip): boolean {
    const { chain, now } = this.#deps
    return now() - tip.header.time <= 2 * chain.parameters.heartbeatMs + DRIFT_MS
  }

  /** A submission and today's holders; undefined where it is not anchored in this folder, or could never be placed. */
  placed(folder: Uint8Array, root: Uint8Array, tip: ChainTip = this.#deps.chain.tip): Placed | undefined {
    const bytes = tip.tree.get(stateKey.submission(folder, root))
    if (bytes === undefined) return undefined
    const anchor = anchorCodec.decode(bytes)
    const placed = this.#place(tip.tree, folder, root, anchor)
    return placed === undefined ? undefined : { ...placed, anchor }
  }

  /**
   * Who is to hold the shares of a folder's key today, account ids by position, where they were placed by the folder's id over the set
   * of this height; undefined where they could never be.
   */
  shares(folder: Uint8Array, memberHeight: number): Placed['holders'] | undefined {
    const { n, k } = this.#deps.chain.parameters
    return this.#place(this.#deps.chain.tip.tree, folder, folder, { n, k, memberHeight })?.holders
  }

  /** All submissions that the ledger anchors, as it stands now. */
  *all(): Generator<Placed> {
    const { tree } = this.#deps.chain.tip
    for (const [key, value] of tree.entries(stateKey.allSubmissions())) {
      const anchor = anchorCodec.decode(value)
      const placed = this.#place(tree, key.slice(1, 33), key.slice(33), anchor)
      if (placed !== undefined) yield { ...placed, anchor }
    }
  }

  #place(
    tree: StateTree,
    folder: Uint8Array,
    root: Uint8Array,
    { n, k, memberHeight }: Pick<Anchor, 'n' | 'k' | 'memberHeight'>,
  ): Omit<Placed, 'anchor'> | undefined {
    const custodians = custodiansAt(tree, memberHeight)
    if (custodians === undefined) return undefined
    const later = this.#custodianSets(tree).flatMap(({ height, set }) => (height > memberHeight ? [set] : []))
    try {
      const { custodians: holders, entitled } = holdersAfter({ key: root, custodians, n, k, policy: policyOf(tree, folder) }, later)
      return { folder, root, holders: holders.map(holder => holder?.id), entitled }
    } catch (error) {
      if (error instanceof EpioneError && (error.code === 'too-few-custodians' || error.code === 'not-found')) return undefined
      throw error
    }
  }

  #custodianSets(tree: StateTree): readonly { height: number; set: CustodianSet }[] {
    const { height: newest } = latestCustodians(tree)
    if (this.#sets?.newest !== newest) {
      const sets = [...tree.entries(stateKey.allCustodians())].flatMap(([key]) => {
        const height = Number(new DataView(key.buffer, key.byteOffset).getBigUint64(1))
        const custodians = custodiansAt(tree, height)
        return custodians === undefined ? [] : [{ height, set: custodianSet(custodians) }]
      })
      this.#sets = { newest, sets }
    }
    return this.#sets.sets
  }

  /** Whether the ledger has a version's erasure. */
  isErased(folder: Uint8Array, { salt, leaf }: VersionMeta, tip: ChainTip = this.#deps.chain.tip): boolean {
    return isErasedAt(tip.tree, folder, { salt, recordId: leaf.recordId, version: leaf.version })
  }

  /**
   * Positions of the versions whose fragments should be here and are not, or are known to be bad; and of those that the keyring does
   * not open, as where the custody is older than it: what is known of them has to come again from others.
   */
  async lacking(root: Uint8Array, submission: Submission): Promise<number[]> {
    const { fragments, submissions, damages } = this.#deps
    const lacking: number[] = []
    for (let leaf = 0; leaf < submission.versions; leaf++) {
      const version = await submissions.versionOrForgotten(root, leaf)
      if (version === 'forgotten') {
        lacking.push(leaf)
        continue
      }
      if (version === undefined || this.isErased(submission.folder, version.meta)) continue
      const isHere = fragments.has({ dispersalRoot: version.meta.leaf.dispersalRoot, index: submission.index })
      if (!isHere || damages.has(root, leaf)) lacking.push(leaf)
    }
    return lacking
  }
}

/** Index that a member is to hold; undefined where it is no holder. */
export function indexOf({ holders }: Placed, custodian: Uint8Array): number | undefined {
  const index = holders.findIndex(holder => holder !== undefined && equalBytes(holder, custodian))
  return index < 0 ? undefined : index
}

/** Whether a change of the state changes who holds what, or what is to be held. */
export function concernsHoldings(key: Uint8Array): 'custodians' | 'submission' | undefined {
  if (key[0] === NAMESPACE.custodiansHeight) return 'custodians'
  return key[0] === NAMESPACE.submission ? 'submission' : undefined
}
