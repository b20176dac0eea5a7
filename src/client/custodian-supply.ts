/**
 * Where the fragments of one submission come from during a read: custodians are asked one after the other, best remembered first;
 * a stream that stands at the next version goes on to it; who failed or was overtaken makes place for another.
 */
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import type { SourceOffer, SourceOutcome } from '../fragments/source-pool.ts'
import type { FragmentSource } from '../fragments/source-reader.ts'
import type { CurrentCustodians } from './current-custodians.ts'
import type { LightPeer, MemberInfo } from './light-peer.ts'
import type { AnchoredSubmission, ListedVersion, ReadOptions } from './read-types.ts'
import { ReleaseStream, type ShownVersion } from './release-stream.ts'
import type { Session } from './session.ts'
import type { CustodianFailure } from './standings.ts'

/** A custodian whose stream broke may be asked again if it delivered so many bytes before; else it would be for ever. */
const AGAIN_AFTER_BYTES = 1024 * 1024
/** How a stream ends that is nobody's lie: time is up, or a connection is gone. */
const BREAKS: ReadonlySet<string> = new Set(['timeout', 'connection-lost', 'unreachable'])

export class CustodianSupply {
  readonly failures: CustodianFailure[] = []
  /** Original holders that refused: others may never have had anything. */
  refusals = 0
  /** Why the last one failed. */
  last: unknown
  readonly #peer: LightPeer
  readonly #session: Session
  readonly #submission: AnchoredSubmission
  readonly #versions: readonly ListedVersion[]
  readonly #options: ReadOptions
  /** Custodians that were not asked yet, or were not needed when they were. */
  #spares: MemberInfo[]
  /** Those that were overtaken, or broke off: asked again only where nobody else is left, so that no custodian is asked time and again. */
  readonly #retired: MemberInfo[] = []
  readonly #known: MemberInfo[]
  readonly #original: readonly MemberInfo[]
  /** The search for others in the DHT. */
  #locating: Promise<void> | undefined
  #located = false
  /** Streams that stand at the next version. */
  #streams: ReleaseStream[] = []

  constructor(
    peer: LightPeer,
    session: Session,
    versions: readonly ListedVersion[],
    { holders, original, former }: CurrentCustodians,
    options: ReadOptions,
  ) {
    this.#peer = peer
    this.#session = session
    this.#submission = (versions[0] as ListedVersion).submission
    this.#versions = versions
    this.#options = options
    const still = former.filter(({ status }) => status === 'active')
    this.#original = original
    this.#known = [...holders, ...still]
    this.#spares = [...peer.standings.rank(holders), ...peer.standings.rank(still)]
  }

  /** The streams that go on to the version at `position`. `from` is filled with those whose chunks come. */
  present(position: number, from: Set<MemberInfo>): SourceOffer[] {
    const streams = this.#streams
    this.#streams = []
    return streams.map(stream => this.#offer(stream.member, position, 0, async () => stream, from))
  }

  /** Asks one more custodian for the version at `position`; undefined where there is nobody left. */
  more(position: number, firstChunk: number, why: 'missing' | 'slow', from: Set<MemberInfo>): SourceOffer | undefined {
    if (this.#options.signal?.aborted === true) return undefined
    const member = this.#spares.shift()
    if (member !== undefined) {
      return this.#offer(member, position, firstChunk, async signal => await this.#open(member, position, firstChunk, signal), from)
    }
    if (!this.#located) return this.#offerLocated(position, firstChunk, from)
    const again = why === 'missing' ? this.#retired.shift() : undefined
    if (again === undefined) return undefined
    return this.#offer(again, position, firstChunk, async signal => await this.#open(again, position, firstChunk, signal), from)
  }

  /** Gives the streams up, or closes them where all that was asked for came: what still waits for a frame must not wait it out. */
  end(done: boolean): void {
    for (const stream of this.#streams) {
      if (done) void stream.close()
      else stream.abort()
    }
    this.#streams = []
  }

  async #open(member: MemberInfo, position: number, firstChunk: number, signal: AbortSignal): Promise<ReleaseStream> {
    const leaves = this.#versions.slice(position).map(version => version.leaf)
    const { standings, now } = this.#peer
    const asked = now()
    standings.asked(member)
    const ask = { submissionRoot: this.#submission.root, leaves, firstChunk }
    const stream = await ReleaseStream.open(this.#peer, this.#session, member, ask, { ...this.#options, signal })
    standings.answered(member, now() - asked)
    return stream
  }

  /** One custodian's fragment of the version, from an open stream or a new one. */
  #offer(
    member: MemberInfo,
    position: number,
    firstChunk: number,
    open: (signal: AbortSignal) => Promise<ReleaseStream>,
    from: Set<MemberInfo>,
  ): SourceOffer {
    const { n, k } = this.#submission.anchor
    const listed = this.#versions[position] as ListedVersion
    const given = new AbortController()
    const outer = this.#options.signal
    const signal = outer === undefined ? given.signal : AbortSignal.any([outer, given.signal])
    let stream: ReleaseStream | undefined
    const source = (async () => {
      stream = await open(signal)
      if (given.signal.aborted) stream.abort()
      const shown = stream.shown.find(({ leaf }) => leaf === listed.leaf) as ShownVersion
      return told(await stream.nextFragment(shown, { n, k }), () => from.add(member))
    })()
    return {
      firstChunk,
      source,
      ended: outcome => {
        if (outcome.type !== 'finished') given.abort(new EpioneError('aborted', 'The release was given up.'))
        if (outcome.type === 'failed') from.delete(member)
        this.#ended(member, stream, outcome)
      },
    }
  }

  #ended(member: MemberInfo, stream: ReleaseStream | undefined, outcome: SourceOutcome): void {
    const { standings } = this.#peer
    const { bytes, waitedMs } = stream?.takeServed() ?? { bytes: 0, waitedMs: 0 }
    standings.served(member, bytes, waitedMs)
    if (outcome.type === 'finished' && stream !== undefined) {
      standings.delivered(member)
      this.#streams.push(stream)
      return
    }
    stream?.abort()
    if (this.#options.signal?.aborted === true) return
    if (outcome.type === 'unneeded') this.#spares.push(member)
    else if (outcome.type === 'outpaced') this.#retired.push(member)
    else if (outcome.type === 'slow') {
      this.#retired.push(member)
      this.#fail(member, 'too-slow')
    } else if (outcome.type === 'failed') {
      const code = errorCode(outcome.error)
      this.last = outcome.error
      if (code === 'not-found' && this.#original.includes(member)) this.refusals++
      if (BREAKS.has(code) && bytes >= AGAIN_AFTER_BYTES) this.#retired.push(member)
      this.#fail(member, code)
    }
  }

  #fail(member: MemberInfo, code: string): void {
    this.failures.push({ custodian: member.id, name: member.organisation.name, code })
    this.#peer.standings.failed(member, code, this.#original.includes(member))
    this.#options.onFailure?.(member, code)
  }

  /** Where custodians have changed since the fragments were placed, the DHT knows who holds them now. */
  #offerLocated(position: number, firstChunk: number, from: Set<MemberInfo>): SourceOffer {
    this.#locating ??= this.#locate()
    let inner: SourceOffer | undefined
    let end: SourceOutcome | undefined
    const source = this.#locating.then(async (): Promise<FragmentSource> => {
      inner = end === undefined ? this.more(position, firstChunk, 'slow', from) : undefined
      if (inner === undefined) throw this.last ?? new EpioneError('unreachable', 'The DHT names no other custodian of this.')
      return await inner.source
    })
    return {
      firstChunk,
      source,
      ended: outcome => {
        end = outcome
        inner?.ended(outcome)
      },
    }
  }

  async #locate(): Promise<void> {
    try {
      const holders = await this.#peer.locate(this.#session.folder, this.#submission.root, this.#options)
      const fresh = holders.filter(holder => !this.#known.some(({ id }) => equalBytes(id, holder.id)))
      this.#known.push(...fresh)
      this.#spares.push(...this.#peer.standings.rank(fresh))
    } finally {
      this.#located = true
    }
  }
}

/** The source, saying when the first of its chunks came. */
function told(source: FragmentSource, onFirst: () => unknown): FragmentSource {
  return {
    ...source,
    async *open(firstChunk) {
      let first = true
      for await (const chunk of source.open(firstChunk)) {
        if (first) onFirst()
        first = false
        yield chunk
      }
    },
  }
}
