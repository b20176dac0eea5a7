/**
 * What a custodian keeps of a folder's disputes: which version each is about, the patient's statement and the author's reason, sealed
 * to the folder. It goes out to the owner, to the author, and with the version to whoever may read that. There are as many as lines
 * in the ledger.
 */
import {
  type Dispute,
  disputeCodec,
  disputeCommitment,
  disputeId,
  disputeOpeningCodec,
  reasonHash,
  sealedStatementSchema,
} from '../../contracts/disputes-formats.ts'
import { stateKey } from '../../contracts/state-keys.ts'
import { concat, equalBytes } from '../../encoding/bytes.ts'
import { EpioneError } from '../../encoding/errors.ts'
import { byteString, codec, struct } from '../../encoding/schema.ts'
import type { KeyValueStore } from '../../ledger/store.ts'
import { disputesResponseCodec, MAX_DISPUTES, type ShownDispute } from '../../network/light-messages.ts'
import type { Chain } from '../chain.ts'
import { notFound } from '../folder-facts.ts'
import type { Keyring } from '../keyring.ts'

const STATEMENT = Uint8Array.of(1)
const REASON = Uint8Array.of(2)
const KINDS = [STATEMENT, REASON]
/** How long a custodian waits for the ledger to reach a dispute that it does not have yet, in ms. */
const BEHIND_WAIT_MS = 2_000

const storedCodec = codec(
  struct({ opening: byteString(512), statement: sealedStatementSchema, forAuthor: sealedStatementSchema }),
  32 * 1024,
)
type Stored = ReturnType<typeof storedCodec.decode>

export interface DisputesDependencies {
  chain: Chain
  keyring: Keyring
  store: KeyValueStore
}

export class Disputes {
  readonly #deps: DisputesDependencies

  constructor(dependencies: DisputesDependencies) {
    this.#deps = dependencies
  }

  /**
   * Keeps what the owner says of a dispute that the ledger has, or a delegate of what was opened under the same delegation.
   * @param delegation under which it is left; null for the owner
   * @throws EpioneError `not-found`; `behind`
   */
  async put(folder: Uint8Array, stored: Stored, delegation: Uint8Array | null): Promise<void> {
    const opening = disputeOpeningCodec.decode(stored.opening)
    if (!equalBytes(opening.folder, folder)) throw notFound()
    const id = disputeId(folder, disputeCommitment(opening))
    const line = await this.#awaited(folder, id, ({ status }) => status !== 'withdrawn')
    if (delegation !== null && (line.delegation === null || !equalBytes(line.delegation, delegation))) throw notFound()
    await this.#keep(concat(STATEMENT, folder, id), folder, storedCodec.encode(stored))
  }

  /** Keeps the reason whose hash the ledger has. Nobody waits here with a dispute that there is not. @throws EpioneError `not-found`; `behind` */
  async putReason(folder: Uint8Array, id: Uint8Array, reason: Uint8Array): Promise<void> {
    if (this.#deps.chain.tip.tree.get(stateKey.dispute(folder, id)) === undefined) throw notFound()
    const hash = reasonHash(reason)
    await this.#awaited(folder, id, ({ status, answer }) => status === 'refused' && answer !== null && equalBytes(answer, hash))
    await this.#keep(concat(REASON, folder, id), folder, reason)
  }

  /** One page of a folder's disputes, after an id; for others than the owner without those that are withdrawn. */
  async page(folder: Uint8Array, after: Uint8Array | null, asker: 'owner' | 'author'): Promise<Uint8Array> {
    const disputes: { shown: ShownDispute; forAuthor: Uint8Array }[] = []
    let more = false
    for await (const { id, stored } of this.#all(folder, after)) {
      if (asker === 'author' && this.#isWithdrawn(folder, id)) continue
      more = disputes.length === MAX_DISPUTES
      if (more) break
      disputes.push({ shown: await this.#shown(folder, id, stored), forAuthor: stored.forAuthor })
    }
    return disputesResponseCodec.encode({ disputes, more })
  }

  /** Disputes of these versions that are not withdrawn, at most `limit`. Costs next to nothing where the ledger has none of the folder. */
  async of(folder: Uint8Array, versions: readonly { recordId: Uint8Array; version: number }[], limit: number): Promise<ShownDispute[]> {
    if (!this.#hasAny(folder)) return []
    const found: ShownDispute[] = []
    for await (const { id, stored } of this.#all(folder, null)) {
      if (found.length === limit) break
      const { recordId, version } = disputeOpeningCodec.decode(stored.opening)
      if (this.#isWithdrawn(folder, id)) continue
      if (versions.some(one => one.version === version && equalBytes(one.recordId, recordId)))
        found.push(await this.#shown(folder, id, stored))
    }
    return found
  }

  /** Writes what is kept for a bucket's folders under its newest key. */
  async reseal(bucket: number): Promise<void> {
    await this.#deps.keyring.reseal(bucket, this.#deps.store, this.#keys(bucket), { read: value => value, write: sealed => sealed })
  }

  async *#keys(bucket: number): AsyncGenerator<Uint8Array> {
    for (const kind of KINDS) {
      const gte = concat(kind, Uint8Array.of(bucket))
      for await (const [key] of this.#deps.store.iterator({ gte, lt: concat(gte, new Uint8Array(64).fill(0xff)) })) yield key
    }
  }

  #isWithdrawn(folder: Uint8Array, id: Uint8Array): boolean {
    const line = this.#deps.chain.tip.tree.get(stateKey.dispute(folder, id))
    return line !== undefined && disputeCodec.decode(line).status === 'withdrawn'
  }

  #hasAny(folder: Uint8Array): boolean {
    for (const _ of this.#deps.chain.tip.tree.entries(stateKey.disputes(folder))) return true
    return false
  }

  async *#all(folder: Uint8Array, after: Uint8Array | null): AsyncGenerator<{ id: Uint8Array; stored: Stored }> {
    const { keyring, store } = this.#deps
    const prefix = concat(STATEMENT, folder)
    const gte = after === null ? prefix : concat(prefix, after, Uint8Array.of(0))
    for await (const [key, value] of store.iterator({ gte, lt: concat(prefix, new Uint8Array(33).fill(0xff)) })) {
      yield { id: key.slice(33), stored: storedCodec.decode(keyring.open(value, key)) }
    }
  }

  async #shown(folder: Uint8Array, dispute: Uint8Array, { opening, statement }: Stored): Promise<ShownDispute> {
    const key = concat(REASON, folder, dispute)
    const reason = await this.#deps.store.get(key)
    return { dispute, opening, statement, reason: reason === undefined ? null : this.#deps.keyring.open(reason, key) }
  }

  async #keep(key: Uint8Array, folder: Uint8Array, plaintext: Uint8Array): Promise<void> {
    const { keyring, store } = this.#deps
    await keyring.within(folder, async () => {
      await store.batch([{ type: 'put', key, value: keyring.seal(folder, plaintext, key) }], { sync: true })
    })
  }

  /** Waits a little for the block with the line that is meant. */
  async #awaited(folder: Uint8Array, id: Uint8Array, isMeant: (line: Dispute) => boolean): Promise<Dispute> {
    const { chain } = this.#deps
    const signal = AbortSignal.timeout(BEHIND_WAIT_MS)
    for (;;) {
      const { tree, header } = chain.tip
      const value = tree.get(stateKey.dispute(folder, id))
      const line = value === undefined ? undefined : disputeCodec.decode(value)
      if (line !== undefined && isMeant(line)) return line
      if (signal.aborted)
        throw new EpioneError('behind', 'This custodian does not know of such a dispute, or has not reached its block yet.')
      await chain.waitAbove(header.height, { signal })
    }
  }
}
