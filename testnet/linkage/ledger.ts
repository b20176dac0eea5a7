/** A ledger without a network: acts in, blocks out, executed by the contracts as they are. What comes out is what any member can read. */

import { genesisChanges } from '../../src/contracts/members.ts'
import { accountId, chainId, type Genesis, type Organisation } from '../../src/contracts/members-formats.ts'
import { countsAsSeen, executeBlock } from '../../src/contracts/runtime.ts'
import { sealingKeyFromSeed } from '../../src/crypto/sealing.ts'
import { type SigningKey, signingKeyFromSeed } from '../../src/crypto/signature.ts'
import { compareBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { StateTree } from '../../src/ledger/state-tree.ts'
import type { Transaction } from '../../src/ledger/transaction.ts'
import type { SeededRandom } from '../population/random.ts'
import { parametersOf } from './parameters.ts'

/** One block as an observer has it. */
export interface SeenBlock {
  readonly height: number
  /** Block time, in ms. */
  readonly timeMs: number
  readonly transactions: readonly Transaction[]
}

export interface Member {
  readonly name: string
  readonly id: Uint8Array
  readonly key: SigningKey
  readonly organisation: Organisation
}

/** An act that reaches a node at a time. */
export interface Arrival {
  readonly atMs: number
  /** Which member's node took it: each cuts batches of its own. */
  readonly node: number
  readonly transaction: Transaction
}

function memberOf(name: string, jurisdiction: string, random: SeededRandom): Member {
  const key = signingKeyFromSeed(random.bytes(32))
  const organisation: Organisation = {
    name,
    jurisdiction,
    kind: 'provider',
    signingKey: key.publicKey,
    sealingKey: sealingKeyFromSeed(random.bytes(32)).publicKey,
    networkKey: signingKeyFromSeed(random.bytes(32)).publicKey,
    consensusKey: signingKeyFromSeed(random.bytes(32)).publicKey,
    power: 10,
    capacity: 100,
  }
  return { name, id: accountId(key.publicKey), key, organisation }
}

export class ObservedLedger {
  readonly members: readonly Member[]
  readonly chainId: Uint8Array
  readonly blocks: SeenBlock[] = []
  readonly #seen = new Set<string>()
  #state: StateTree
  #height = 0

  constructor(names: readonly (readonly [name: string, jurisdiction: string])[], startMs: number, random: SeededRandom) {
    this.members = names.map(([name, jurisdiction]) => memberOf(name, jurisdiction, random))
    const genesis: Genesis = {
      version: 1,
      network: 'linkage',
      time: startMs,
      parameters: parametersOf(),
      organisations: this.members.map(({ organisation }) => organisation),
    }
    this.chainId = chainId(genesis)
    this.#state = StateTree.empty().apply(genesisChanges(genesis))
  }

  /** Makes the block of all that arrived since the last one. @throws EpioneError `not-ok` where the ledger refuses an act: the life is not lived as planned */
  block(timeMs: number, arrivals: readonly Arrival[], shuffled: boolean): void {
    const nodes = [...new Set(arrivals.map(({ node }) => node))]
    const transactions = nodes.flatMap(node => {
      const batch = arrivals.filter(arrival => arrival.node === node).map(({ transaction }) => transaction)
      return shuffled ? batch.sort((a, b) => compareBytes(a.id, b.id)) : batch
    })
    this.#height++
    const result = executeBlock({
      state: this.#state,
      chainId: this.chainId,
      height: this.#height,
      time: timeMs,
      transactions: transactions.map(transaction => ({ transaction, signaturesValid: true })),
      seen: id => this.#seen.has(toHex(id)),
    })
    for (const [i, { code, transaction }] of result.receipts.entries()) {
      const { contract, action } = (transactions[i] as Transaction).content
      if (code !== 'ok') throw new EpioneError('not-ok', `${contract}.${action} at height ${this.#height}: ${code}`)
      if (countsAsSeen(code)) this.#seen.add(toHex(transaction))
    }
    this.#state = this.#state.apply(result.changes)
    this.blocks.push({ height: this.#height, timeMs, transactions })
  }
}
