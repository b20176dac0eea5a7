/**
 * What a validator does that starts without a past (`hasNoPast`): nothing on its disk tells whether this is its first start or whether
 * its disk was lost, and in the second case it may have signed at heights that it does not know. So it asks the others before
 * it says a word, and keeps silent where an earlier life may have spoken.
 *
 * Who signed at height S had decided S - 1, with precommits of a quorum whose members all stood on S - 2 at least. So, of
 * validators with more than two thirds of the weight that answer, an honest one stands there still, and its blocks prove it: silence through two
 * heights above the highest that is claimed by more than a third or proven is enough. A chain at height 0 is taken for a true beginning: a
 * disk that is lost before the first block is not covered.
 *
 * An honest claim is older than the wait for its proof, and so are the blocks that prove it. So only blocks that were made before the
 * wait began prolong it: what the others decide meanwhile would give a liar, whose claim nothing can prove, all the time in the world.
 * A clock of this node that is ahead prolongs the wait by as much at most.
 */
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { isQuorum } from '../ledger/header.ts'
import type { Network } from '../network/network.ts'
import type { Chain } from './chain.ts'
import type { Directory } from './directory.ts'
import type { PeerStatusService } from './peer-status.ts'
import { heightOfMoreThanThird } from './validator-claims.ts'

/** Heights above the network's in which an earlier life may have signed: the one being decided, and one that it alone knew as decided. */
const SIGNED_AHEAD = 2
/** How long blocks up to the highest claim are waited for while none comes that may prove it, in ms; then the claim counts as a lie. */
const UNPROVEN_MS = 15_000
/** By how much this node's clock may be behind those of the validators that made the blocks, in ms; far more than lets it vote. */
const CLOCK_SLACK_MS = 10_000
/** Pauses between questions to validators that have not answered, in ms: short at first, for the beginning of a network. */
const ASK_MS = { first: 50, most: 1_000 }

export interface JoiningFacts {
  /** Validators of the next height and what they claim as their height; null where they have not answered. This node is one with its own. */
  claims: readonly { power: number; height: number | null }[]
  /** Height up to which this node has blocks, or headers with their certificates. */
  height: number
  /** Highest height claimed when a quorum had first answered; null before. */
  target: number | null
  /** Time since then, or since the last step that came after it and may lead to the claim ({@link ProofWait}), in ms. */
  stalledMs: number
}

/** How far a node without a past has come. */
export interface Proven {
  /** Height up to which it has blocks, or headers with their certificates, and the block time of that height in ms. */
  height: number
  timeMs: number
  /** Chunks that a snapshot which it is joining by still lacks; null where there is none. */
  missing: number | null
}

/** Since when nothing has come that may prove a claim. Pure: times are arguments. */
export class ProofWait {
  readonly #startedMs: number
  #last: Proven
  #movedMs: number

  /** @param clockMs time by this node's clock. @param nowMs time by a clock that is never set */
  constructor(proven: Proven, clockMs: number, nowMs: number) {
    this.#startedMs = clockMs
    this.#last = proven
    this.#movedMs = nowMs
  }

  /** Takes notice of how far the node has come; blocks that were made since the wait began do not count. */
  note(proven: Proven, nowMs: number): void {
    const { height, missing } = this.#last
    const isOlder = proven.height > height && proven.timeMs <= this.#startedMs + CLOCK_SLACK_MS
    const hasMoreChunks = proven.missing !== null && missing !== null && proven.missing < missing
    if (isOlder || hasMoreChunks) this.#movedMs = nowMs
    this.#last = proven
  }

  stalledMs(nowMs: number): number {
    return nowMs - this.#movedMs
  }
}

/** Pure decision: `wait`, or start to vote above the height `silentThrough` (-1: at once). */
export function judgeJoining({ claims, height, target, stalledMs }: JoiningFacts): { wait: true } | { wait: false; silentThrough: number } {
  if (!hasQuorumAnswered(claims)) return { wait: true }
  const claimed = heightOfMoreThanThird(claims.map(claim => ({ power: claim.power, value: claim.height })))
  const reached = Math.max(claimed, height)
  const highest = target ?? Math.max(...claims.map(claim => claim.height ?? 0))
  if (highest > reached && stalledMs < UNPROVEN_MS) return { wait: true }
  return { wait: false, silentThrough: reached === 0 ? -1 : reached + SIGNED_AHEAD }
}

export function hasQuorumAnswered(claims: JoiningFacts['claims']): boolean {
  const total = claims.reduce((sum, { power }) => sum + power, 0)
  return isQuorum(
    claims.reduce((sum, { power, height }) => sum + (height === null ? 0 : power), 0),
    total,
  )
}

export interface JoiningDependencies {
  chain: Chain
  directory: Directory
  network: Network
  peerStatus: PeerStatusService
  proven: () => Proven
  /** Clock, in ms since the epoch. */
  now: () => number
  /** Asks the others for blocks. */
  catchUp: () => void
}

export class Joining {
  readonly #key: Uint8Array
  readonly #deps: JoiningDependencies
  #target: number | null = null
  #proof: ProofWait | undefined

  /** @param key this node's consensus key */
  constructor(key: Uint8Array, dependencies: JoiningDependencies) {
    this.#key = key
    this.#deps = dependencies
  }

  /** Weight of the validators that have answered, this node's own included, and of all. */
  get answered(): { power: number; of: number } {
    const claims = this.#claims()
    return {
      power: claims.reduce((sum, { power, height }) => sum + (height === null ? 0 : power), 0),
      of: claims.reduce((sum, { power }) => sum + power, 0),
    }
  }

  /** Height through which to keep silent (-1: not at all); undefined as long as that is not known. */
  decide(): number | undefined {
    const claims = this.#claims()
    const proven = this.#deps.proven()
    const nowMs = performance.now()
    if (this.#target === null && hasQuorumAnswered(claims)) {
      this.#target = Math.max(...claims.map(claim => claim.height ?? 0))
      this.#proof = new ProofWait(proven, this.#deps.now(), nowMs)
    }
    this.#proof?.note(proven, nowMs)
    const stalledMs = this.#proof?.stalledMs(nowMs) ?? 0
    const verdict = judgeJoining({ claims, height: proven.height, target: this.#target, stalledMs })
    return verdict.wait ? undefined : verdict.silentThrough
  }

  /** As {@link decide}, once it is known; undefined where `signal` aborts before. */
  async wait({ signal }: { signal: AbortSignal }): Promise<number | undefined> {
    const { chain, peerStatus, catchUp } = this.#deps
    let wake: () => void = () => undefined
    const stops = [peerStatus.onStatus(() => wake()), chain.onCommit(() => wake()), chain.onReplace(() => wake())]
    const onAbort = (): void => wake()
    signal.addEventListener('abort', onAbort)
    try {
      let pauseMs = ASK_MS.first
      for (let askedMs = 0; !signal.aborted; ) {
        const silentThrough = this.decide()
        if (silentThrough !== undefined) return silentThrough
        if (performance.now() - askedMs >= pauseMs) {
          this.#ask()
          if (this.#target !== null) catchUp()
          askedMs = performance.now()
          pauseMs = Math.min(ASK_MS.most, 2 * pauseMs)
        }
        await new Promise<void>(resolve => {
          const timer = setTimeout(() => wake(), pauseMs)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      return undefined
    } finally {
      signal.removeEventListener('abort', onAbort)
      for (const stop of stops) stop()
    }
  }

  #claims(): { power: number; height: number | null }[] {
    const { chain, directory, peerStatus } = this.#deps
    return chain.tip.validators.next.validators.map(({ publicKey, power }) => {
      if (equalBytes(publicKey, this.#key)) return { power, height: chain.tip.header.height }
      const member = directory.byConsensusKey(publicKey)
      return { power, height: (member && peerStatus.get(member.organisation.networkKey)?.height) ?? null }
    })
  }

  /** Asks the validators that are connected and have not answered. */
  #ask(): void {
    const { chain, directory, network, peerStatus } = this.#deps
    const connected = new Set(network.peers({ membersOnly: true }).flatMap(peer => (peer.connected ? [toHex(peer.networkKey)] : [])))
    for (const { publicKey } of chain.tip.validators.next.validators) {
      const networkKey = directory.byConsensusKey(publicKey)?.organisation.networkKey
      if (networkKey === undefined || !connected.has(toHex(networkKey)) || peerStatus.get(networkKey) !== undefined) continue
      peerStatus.ask(networkKey).catch(() => undefined)
    }
  }
}
