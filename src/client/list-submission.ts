/** Asks the custodians of one submission what may be read of it, waiting for none of them longer than it must. */
import { errorCode } from '../encoding/errors.ts'
import { systemTimer, type Timer } from '../fragments/pace.ts'
import { FIRST_MS } from '../fragments/source-pool.ts'
import type { ShownDispute } from '../network/light-messages.ts'
import type { CurrentCustodians } from './current-custodians.ts'
import type { LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import type { AnchoredSubmission } from './read-types.ts'
import { ReleaseStream, type ShownVersion } from './release-stream.ts'
import type { Session } from './session.ts'
import type { CustodianFailure } from './standings.ts'

export interface ShownSubmission {
  /** By leaf. */
  shown: Map<number, ShownVersion>
  /** Disputes of what is shown: all that any custodian showed, unproven. */
  disputes: ShownDispute[]
  /** k custodians showed something, or enough of the original holders refused to say that nothing may be read. */
  complete: boolean
  total: number
  failures: CustodianFailure[]
}

/**
 * Asks k custodians at once, best remembered first; one more for each that refuses or fails, and one more whenever nothing came
 * for FIRST_MS. So a custodian that never answers costs that time once, and further ones with it.
 */
export async function listSubmission(
  peer: LightPeer,
  session: Session,
  submission: AnchoredSubmission,
  { holders, original }: Pick<CurrentCustodians, 'holders' | 'original'>,
  options: CallOptions & { timer?: Timer },
): Promise<ShownSubmission> {
  const { n, k } = submission.anchor
  const { standings } = peer
  const { timer = systemTimer } = options
  const result: ShownSubmission = { shown: new Map(), disputes: [], complete: false, total: 0, failures: [] }
  const rest = standings.rank(holders)
  const done = new AbortController()
  const signal = options.signal === undefined ? done.signal : AbortSignal.any([options.signal, done.signal])
  /** Those who were asked and have not answered, and whether others had to be asked because of them. */
  const waiting = new Map<MemberInfo, { slow: boolean }>()
  let showing = 0
  /** Refusals of those that have what they refuse, unless a degraded write left them without. */
  let refusals = 0
  const refused = (member: MemberInfo): void => {
    if (original.includes(member)) refusals++
  }
  let change = Promise.withResolvers<void>()

  const ask = async (member: MemberInfo): Promise<void> => {
    standings.asked(member)
    waiting.set(member, { slow: false })
    const asked = peer.now()
    try {
      const stream = await ReleaseStream.open(
        peer,
        session,
        member,
        { submissionRoot: submission.root, leaves: null },
        { ...options, signal },
      )
      void stream.close()
      if (done.signal.aborted) return
      standings.answered(member, peer.now() - asked)
      // Who may show nothing refuses; an empty list is a refusal in other words.
      if (stream.shown.length === 0) refused(member)
      else {
        for (const version of stream.shown) result.shown.set(version.leaf, version)
        result.disputes.push(...stream.disputes)
        result.total = stream.total
        showing++
      }
      waiting.delete(member)
    } catch (error) {
      if (signal.aborted) return
      waiting.delete(member)
      if (errorCode(error) === 'not-found') refused(member)
      result.failures.push(failureOf(member, errorCode(error)))
    } finally {
      change.resolve()
    }
  }

  try {
    while (showing < k && refusals <= n - k) {
      change = Promise.withResolvers()
      while (showing + waiting.size < k && rest.length > 0) void ask(rest.shift() as MemberInfo)
      if (waiting.size === 0) break
      if (await within(change.promise, rest.length > 0 ? FIRST_MS : undefined, timer, options.signal)) continue
      for (const state of waiting.values()) state.slow = true
      void ask(rest.shift() as MemberInfo)
    }
  } finally {
    done.abort()
  }
  result.complete = showing >= k || (showing === 0 && refusals > n - k)
  for (const [member, { slow }] of waiting) if (slow) result.failures.push(failureOf(member, 'too-slow'))
  // Where all refuse, they do as they should.
  if (showing > 0) {
    for (const { custodian, code } of result.failures) {
      const member = memberOf(holders, custodian)
      standings.failed(member, code, original.includes(member))
    }
  } else result.failures = []
  return result
}

function failureOf({ id, organisation }: MemberInfo, code: string): CustodianFailure {
  return { custodian: id, name: organisation.name, code }
}

function memberOf(members: readonly MemberInfo[], id: Uint8Array): MemberInfo {
  return members.find(member => member.id === id) as MemberInfo
}

/** Whether something happened before the time was up. @throws the signal's reason */
async function within(change: Promise<void>, ms: number | undefined, timer: Timer, signal: AbortSignal | undefined): Promise<boolean> {
  signal?.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  const aborted = (): void => reject(signal?.reason)
  signal?.addEventListener('abort', aborted, { once: true })
  const cancel = ms === undefined ? undefined : timer.after(ms, () => resolve(false))
  void change.then(() => resolve(true))
  try {
    return await promise
  } finally {
    cancel?.()
    signal?.removeEventListener('abort', aborted)
  }
}
