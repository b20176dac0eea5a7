/** Headers and certificates of a made-up chain, signed by test keys: what a node would show a light peer. */
import { genesisChanges, genesisHeader } from '../../src/contracts/members.ts'
import type { Genesis } from '../../src/contracts/members-formats.ts'
import type { SigningKey } from '../../src/crypto/signature.ts'
import { compareBytes } from '../../src/encoding/bytes.ts'
import { type Header, headerHash, type ValidatorSet, validatorSetHash } from '../../src/ledger/header.ts'
import { StateTree } from '../../src/ledger/state-tree.ts'
import type { Commit } from '../../src/network/light-messages.ts'
import { nodeKeys, seedOf } from '../node/cluster.ts'
import { certify } from '../node/ledger-fixture.ts'

/** The keys of members, by their numbers; those of genesis begin at 0. */
export function keysOf(...numbers: readonly number[]): SigningKey[] {
  return numbers.map(number => nodeKeys(number).consensus)
}

export function setOf(keys: readonly SigningKey[], since: number): ValidatorSet {
  const validators = keys.map(({ publicKey }) => ({ publicKey, power: 1 })).sort((a, b) => compareBytes(a.publicKey, b.publicKey))
  return { validators, since }
}

export interface Validators {
  keys: SigningKey[]
  /** Height from which they sign. */
  since: number
}

export interface Changes {
  header?: Partial<Header>
  /** Who signs, where it is not all validators of the height. */
  signers?: readonly SigningKey[]
}

export class MadeChain {
  readonly genesis: Genesis
  readonly #validatorsAt: (height: number) => Validators
  readonly #headers: Header[]
  readonly #stepMs: number

  /** A chain on a genesis whose validators are those of height 1. */
  constructor(genesis: Genesis, validatorsAt: (height: number) => Validators, stepMs = 1000) {
    this.genesis = genesis
    this.#validatorsAt = validatorsAt
    this.#stepMs = stepMs
    this.#headers = [genesisHeader(genesis, StateTree.empty().apply(genesisChanges(genesis)).root)]
  }

  #set(height: number): ValidatorSet {
    const { keys, since } = this.#validatorsAt(height)
    return setOf(keys, since)
  }

  header(height: number): Header {
    for (let next = this.#headers.length; next <= height; next++) {
      const parent = this.#headers[next - 1] as Header
      this.#headers.push({
        ...parent,
        height: next,
        time: parent.time + this.#stepMs,
        parent: headerHash(parent),
        proposer: nodeKeys(0).consensus.publicKey,
        stateRoot: seedOf('state', next),
        validatorsHash: validatorSetHash(this.#set(next)),
        nextValidatorsHash: validatorSetHash(this.#set(next + 1)),
      })
    }
    return this.#headers[height] as Header
  }

  commit(height: number, changes: Changes = {}): Commit {
    if (height === 0) return { header: this.header(0), certificate: null, validators: this.#set(1) }
    const header = { ...this.header(height), ...changes.header }
    return { header, certificate: certify(header, changes.signers ?? this.#validatorsAt(height).keys), validators: this.#set(height) }
  }
}
