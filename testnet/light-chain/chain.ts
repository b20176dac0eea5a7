/**
 * A chain as long as one likes, with real headers and real signatures, for measuring light verification: headers are hashed one after another, which is what
 * makes them a chain, and of each only the hash is kept; a header is made again, and signed, when it is asked for. All of it follows from a seed.
 */
import { genesisChanges, genesisHeader } from '../../src/contracts/members.ts'
import type { Genesis, Organisation } from '../../src/contracts/members-formats.ts'
import { type SigningKey, signingKeyFromSeed } from '../../src/crypto/signature.ts'
import { compareBytes, u32, u64, utf8 } from '../../src/encoding/bytes.ts'
import { taggedHash } from '../../src/encoding/hash.ts'
import { type Certificate, voteSigningBytes } from '../../src/ledger/certificate.ts'
import { type Header, headerHash, type ValidatorSet, validatorSetHash } from '../../src/ledger/header.ts'
import { StateTree } from '../../src/ledger/state-tree.ts'
import type { Commit } from '../../src/network/light-messages.ts'

const HASH = 32
const POWER = 10

export interface LightChainOptions {
  seed: number
  heights: number
  validators: number
  /** Heights after which one validator, the oldest, is replaced by a new one; 0 for never. */
  changeEvery: number
  /** Time from block to block, in ms. */
  stepMs: number
  /** Time of the last block, in ms. */
  endMs: number
  genesis: Genesis
}

export class LightChain {
  readonly genesis: Genesis
  readonly tip: number
  readonly #options: LightChainOptions
  /** Of the header of each height its hash, one after the other. */
  readonly #hashes: Uint8Array
  readonly #keys = new Map<number, SigningKey>()
  readonly #sets = new Map<number, { set: ValidatorSet; hash: Uint8Array }>()
  readonly #first: Header

  /** Makes all headers, which for a million takes some seconds. */
  constructor(options: LightChainOptions) {
    this.#options = options
    this.tip = options.heights
    const organisations = options.genesis.organisations.slice(0, options.validators).map(
      (organisation, index): Organisation => ({
        ...organisation,
        consensusKey: this.#key(index).publicKey,
        power: POWER,
      }),
    )
    this.genesis = { ...options.genesis, time: options.endMs - options.heights * options.stepMs, organisations }
    this.#first = genesisHeader(this.genesis, StateTree.empty().apply(genesisChanges(this.genesis)).root)
    this.#hashes = new Uint8Array(HASH * (options.heights + 1))
    this.#hashes.set(headerHash(this.#first), 0)
    for (let height = 1; height <= options.heights; height++) this.#hashes.set(headerHash(this.header(height)), HASH * height)
  }

  header(height: number): Header {
    if (height === 0) return this.#first
    return {
      ...this.#first,
      height,
      time: this.#first.time + height * this.#options.stepMs,
      parent: this.#hashes.slice(HASH * (height - 1), HASH * height),
      proposer: this.#setAt(height).set.validators[0]?.publicKey ?? this.#first.proposer,
      stateRoot: taggedHash('light-chain-state', u64(height)),
      validatorsHash: this.#setAt(height).hash,
      nextValidatorsHash: this.#setAt(height + 1).hash,
    }
  }

  /** What a node shows of a height, signed by just so many that they are a quorum. */
  commit(height: number): Commit {
    const { set } = this.#setAt(Math.max(1, height))
    const header = this.header(height)
    if (height === 0) return { header, certificate: null, validators: set }
    const block = headerHash(header)
    const message = voteSigningBytes({ chainId: header.chainId, kind: 'precommit', height, round: 0, block })
    const quorum = Math.floor((2 * set.validators.length) / 3) + 1
    const keys = this.#numbersAt(height).map(number => this.#key(number))
    const signatures: Certificate['signatures'] = set.validators.slice(0, quorum).map(({ publicKey }) => ({
      validator: publicKey,
      signature: (keys.find(key => compareBytes(key.publicKey, publicKey) === 0) as SigningKey).sign(message),
    }))
    return { header, certificate: { height, round: 0, block, signatures }, validators: set }
  }

  /** Numbers of the keys that sign a height: a window that moves by one at each change. */
  #numbersAt(height: number): number[] {
    const { changeEvery, validators } = this.#options
    const changes = changeEvery === 0 ? 0 : Math.floor((height - 1) / changeEvery)
    return Array.from({ length: validators }, (_, i) => changes + i)
  }

  #setAt(height: number): { set: ValidatorSet; hash: Uint8Array } {
    const { changeEvery } = this.#options
    const changes = changeEvery === 0 ? 0 : Math.floor((height - 1) / changeEvery)
    const known = this.#sets.get(changes)
    if (known !== undefined) return known
    const validators = this.#numbersAt(height)
      .map(number => ({ publicKey: this.#key(number).publicKey, power: POWER }))
      .sort((a, b) => compareBytes(a.publicKey, b.publicKey))
    const set: ValidatorSet = { validators, since: 1 + changes * changeEvery }
    const made = { set, hash: validatorSetHash(set) }
    this.#sets.set(changes, made)
    return made
  }

  #key(number: number): SigningKey {
    const known = this.#keys.get(number)
    if (known !== undefined) return known
    const key = signingKeyFromSeed(taggedHash('light-chain-key', u32(this.#options.seed), u32(number), utf8('signing')))
    this.#keys.set(number, key)
    return key
  }
}
