/**
 * Light verification: which headers to believe, from genesis on, without keeping a ledger. Skipping verification after
 * "A Tendermint Light Client" (arXiv:2010.07031): a header is believed when more than two thirds of its own validators signed
 * it and among them validators with more than one third of a set that is trusted already; else a header between is asked for.
 * Keys of validators who left long ago may be in anybody's hands, so signatures alone carry a trusted set no further than the
 * trusting period, genesis included; beyond it, nodes of two founding organisations must show the same header.
 */

import { genesisChanges, genesisHeader, genesisValidators } from '../contracts/members.ts'
import type { Genesis } from '../contracts/members-formats.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { type Certificate, certificatePower, verifyCertificate } from '../ledger/certificate.ts'
import { type Header, headerHash, isMoreThanThird, totalPower, type ValidatorSet, validatorSetHash } from '../ledger/header.ts'
import { StateTree } from '../ledger/state-tree.ts'
import type { Commit } from '../network/light-messages.ts'

/** How long a set of validators is trusted after its time, in ms. */
export const TRUSTING_PERIOD_MS = 30 * 24 * 60 * 60 * 1000
/** How far a header's time may be ahead of the own clock, in ms. */
export const CLOCK_DRIFT_MS = 15_000
/** Most trusted headers that are remembered beside genesis. */
const MAX_TRUSTED = 64
/** Most headers that one verification asks for on its way. */
const MAX_HOPS = 64
/** Organisations whose nodes must show a header that stands on one older than the trusting period. */
export const WITNESSES_NEEDED = 2
/** How long what witnesses showed is remembered, in ms: many answers of nodes stand on one height. */
const WITNESSED_MS = 5_000
/** Most heights of which that is remembered. */
const MAX_WITNESSED = 64

/** What a node shows at a height. */
export interface Witness {
  /** Key with which the node proved who it is. */
  readonly networkKey: Uint8Array
  readonly headerHash: Uint8Array
}

/** A header that was believed: kept by a caller, it spares a later peer the way from genesis. */
export interface Checkpoint {
  readonly height: number
  readonly headerHash: Uint8Array
}

interface Trusted {
  readonly header: Header
  readonly hash: Uint8Array
  /** Who signed it; at genesis, who signs the first block. */
  readonly validators: ValidatorSet
}

export interface TrustOptions {
  genesis: Genesis
  /** Clock, in ms. */
  now: () => number
  /** Asks the founding organisations' nodes, each for itself, for the header of a height. Left out, nobody vouches for anything. */
  witnesses?: (height: number) => Promise<readonly Witness[]>
}

function refuse(code: string, message: string, height: number): never {
  throw new EpioneError(code, message, { metadata: { height } })
}

export class TrustedHeaders {
  readonly #genesis: Genesis
  readonly #now: () => number
  readonly #witnesses: NonNullable<TrustOptions['witnesses']>
  /** Network keys of the founding organisations. */
  readonly #founders: readonly Uint8Array[]
  readonly #witnessed = new Map<number, { at: number; shown: Promise<readonly Witness[]> }>()
  /** Ascending by height; the first is genesis. */
  readonly #trusted: Trusted[]
  readonly chainId: Uint8Array

  constructor(options: TrustOptions) {
    this.#genesis = options.genesis
    this.#now = options.now
    this.#witnesses = options.witnesses ?? (async () => [])
    this.#founders = options.genesis.organisations.map(({ networkKey }) => networkKey)
    const tree = StateTree.empty().apply(genesisChanges(options.genesis))
    const header = genesisHeader(options.genesis, tree.root)
    this.chainId = header.chainId
    this.#trusted = [{ header, hash: headerHash(header), validators: genesisValidators(options.genesis) }]
  }

  get newest(): Header {
    return (this.#trusted.at(-1) as Trusted).header
  }

  /** The newest header that is believed, to start from another time. */
  get checkpoint(): Checkpoint {
    const { header, hash } = this.#trusted.at(-1) as Trusted
    return { height: header.height, headerHash: hash }
  }

  /**
   * Believes the header of a checkpoint for its hash, which the caller vouches for.
   * @throws EpioneError `invalid-header`, `invalid-certificate`, `future-header`
   */
  anchor(commit: Commit, checkpoint: Checkpoint): Header {
    const { header, validators } = commit
    const { height } = header
    const hash = headerHash(header)
    if (height !== checkpoint.height || !equalBytes(hash, checkpoint.headerHash)) {
      refuse('invalid-header', 'The header is another than the one that the checkpoint names.', checkpoint.height)
    }
    if (this.#known(height, hash)) return header
    this.#check(commit)
    this.#remember({ header, hash, validators })
    return header
  }

  /**
   * Believes a commit or refuses it; `fetch` gives commits of heights in between where they are needed.
   * @throws EpioneError `invalid-header`, `invalid-certificate`, `untrusted-validators`, `future-header`, `unanchored`
   */
  async verify(commit: Commit, fetch: (height: number) => Promise<Commit>): Promise<Header> {
    let hops = 0
    const pending = [commit]
    /** Whether witnesses vouched for the last of `pending`. */
    let vouched = false
    while (pending.length > 0) {
      const candidate = pending.at(-1) as Commit
      const pivot = this.#tryTrust(candidate, vouched)
      vouched = false
      if (pivot === undefined) {
        pending.pop()
      } else if (pivot === 'witnesses') {
        await this.#requireWitnesses(candidate.header)
        vouched = true
      } else {
        if (++hops > MAX_HOPS)
          refuse('untrusted-validators', 'The chain of validators to this header is too long to follow.', candidate.header.height)
        const between = await fetch(pivot)
        if (between.header.height !== pivot) refuse('invalid-header', 'The node answered with another height than it was asked for.', pivot)
        pending.push(between)
      }
    }
    return commit.header
  }

  /**
   * Whether a commit would be believed by who knows nothing of its height yet: for a witness's, where another header of that height is believed
   * already. Nothing is remembered. @throws EpioneError as {@link verify} where it would not
   */
  async judge(commit: Commit, fetch: (height: number) => Promise<Commit>): Promise<void> {
    const { height } = commit.header
    const other = new TrustedHeaders({ genesis: this.#genesis, now: this.#now })
    other.#trusted.push(...this.#trusted.slice(1).filter(({ header }) => header.height < height))
    await other.verify(commit, fetch)
  }

  /** Trusts the commit, or gives the height of a header that is needed first, or says that witnesses are needed. */
  #tryTrust(commit: Commit, vouched: boolean): number | 'witnesses' | undefined {
    const { header, validators } = commit
    const { height } = header
    const hash = headerHash(header)
    if (this.#known(height, hash)) return undefined
    const base = this.#trusted.findLast(trusted => trusted.header.height < height) as Trusted
    const certificate = this.#check(commit)
    if (header.time <= base.header.time) refuse('invalid-header', 'Time does not advance to this header.', height)
    if (height === base.header.height + 1) {
      if (!equalBytes(header.validatorsHash, base.header.nextValidatorsHash)) {
        refuse('untrusted-validators', 'The header was signed by others than the validators that the chain appointed.', height)
      }
    } else {
      const overlap = certificatePower(this.chainId, certificate, base.validators, { skipUnknown: true }) ?? 0
      if (!isMoreThanThird(overlap, totalPower(base.validators))) return base.header.height + Math.ceil((height - base.header.height) / 2)
    }
    if (base.header.time + TRUSTING_PERIOD_MS < this.#now() && !vouched) return 'witnesses'
    this.#remember({ header, hash, validators })
    return undefined
  }

  /** Whether the header is trusted already. @throws EpioneError `invalid-header` where another of its height is */
  #known(height: number, hash: Uint8Array): boolean {
    const known = this.#trusted.find(({ header }) => header.height === height)
    if (known !== undefined && !equalBytes(known.hash, hash))
      refuse('invalid-header', 'The header is another than the trusted one of its height.', height)
    return known !== undefined
  }

  /** What holds of a header by itself: it is of this chain, not of the future, and signed by the validators that it names. */
  #check({ header, certificate, validators }: Commit): Certificate {
    const { height } = header
    if (!equalBytes(header.chainId, this.chainId)) refuse('invalid-header', 'The header is of another network.', height)
    if (header.time > this.#now() + CLOCK_DRIFT_MS) {
      refuse('future-header', "The header lies in the future by this device's clock; check the clock.", height)
    }
    if (certificate === null) return refuse('invalid-header', 'The header comes without a certificate.', height)
    if (!equalBytes(validatorSetHash(validators), header.validatorsHash)) {
      refuse('invalid-header', 'The validators shown are not those that the header names.', height)
    }
    verifyCertificate(header, certificate, validators)
    return certificate
  }

  /** Two organisations must show this header, and no two another one. @throws EpioneError `unanchored` */
  async #requireWitnesses(header: Header): Promise<void> {
    const organisations = new Set<number>()
    const votes = new Map<string, number>()
    for (const { networkKey, headerHash: shown } of await this.#shownAt(header.height)) {
      const organisation = this.#founders.findIndex(key => equalBytes(key, networkKey))
      if (organisation < 0 || organisations.has(organisation)) continue
      organisations.add(organisation)
      votes.set(toHex(shown), (votes.get(toHex(shown)) ?? 0) + 1)
    }
    const agreed = [...votes].filter(([, count]) => count >= WITNESSES_NEEDED)
    if (agreed.length === 1 && agreed[0]?.[0] === toHex(headerHash(header))) return
    const message =
      'What is trusted is older than 30 days, and the nodes of two founding organisations do not agree on this header; give more nodes, or a checkpoint.'
    refuse('unanchored', message, header.height)
  }

  async #shownAt(height: number): Promise<readonly Witness[]> {
    const known = this.#witnessed.get(height)
    if (known !== undefined && this.#now() - known.at < WITNESSED_MS) return await known.shown
    const shown = this.#witnesses(height)
    this.#witnessed.delete(height)
    this.#witnessed.set(height, { at: this.#now(), shown })
    if (this.#witnessed.size > MAX_WITNESSED) this.#witnessed.delete(this.#witnessed.keys().next().value as number)
    return await shown
  }

  #remember(trusted: Trusted): void {
    const at = this.#trusted.findIndex(other => other.header.height > trusted.header.height)
    this.#trusted.splice(at < 0 ? this.#trusted.length : at, 0, trusted)
    if (this.#trusted.length > MAX_TRUSTED) this.#trusted.splice(1, 1)
  }
}
