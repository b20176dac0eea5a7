/** What the refusals of custodians prove: those of holders that came in another's place, of former ones and of others, nothing. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { CurrentCustodians } from '../../src/client/current-custodians.ts'
import type { LightPeer, MemberInfo } from '../../src/client/light-peer.ts'
import { listSubmission } from '../../src/client/list-submission.ts'
import type { ListedVersion } from '../../src/client/read-types.ts'
import type { Session } from '../../src/client/session.ts'
import { Standings } from '../../src/client/standings.ts'
import { SubmissionReader } from '../../src/client/submission-reader.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { seedOf } from '../node/cluster.ts'

const test = suite('client/refusals')
const now = (): number => 1_700_000_000_000
const submission = { root: seedOf('root'), anchor: { n: 4, k: 2, epoch: 0 } } as ListedVersion['submission']

function member(i: number): MemberInfo {
  return {
    id: seedOf('member', i),
    status: 'active',
    organisation: { name: `member ${i}`, networkKey: seedOf('network', i) },
  } as unknown as MemberInfo
}

const [a, b, c, d, e, f] = Array.from({ length: 6 }, (_, i) => member(i)) as [
  MemberInfo,
  MemberInfo,
  MemberInfo,
  MemberInfo,
  MemberInfo,
  MemberInfo,
]

/** A peer to which these refuse, and nobody else can be reached; the DHT names all that it knows. */
function peerOf(refusing: readonly MemberInfo[], located: readonly MemberInfo[] = []): LightPeer {
  const openStream = async (key: Uint8Array): Promise<never> => {
    const refuses = refusing.some(({ organisation }) => toHex(organisation.networkKey) === toHex(key))
    throw new EpioneError(refuses ? 'not-found' : 'unreachable', 'no')
  }
  const standings = new Standings(now)
  return { now, standings, chainId: seedOf('chain'), nodes: { openStream }, locate: async () => located } as unknown as LightPeer
}

const session = { folder: seedOf('folder'), keyOf: () => ({ open: () => seedOf('key') }) } as unknown as Session

async function isComplete(refusing: readonly MemberInfo[], custodians: Pick<CurrentCustodians, 'holders' | 'original'>): Promise<boolean> {
  return (await listSubmission(peerOf(refusing), session, submission, custodians, {})).complete
}

test('a list is complete without anything shown only where enough original holders refuse', async () => {
  const all = [a, b, c, d]
  assert.ok(await isComplete([a, b, c], { holders: all, original: all }))
  assert.not.ok(await isComplete([a, b], { holders: all, original: all }))
  // Two came in others' places and were not repaired yet.
  assert.not.ok(await isComplete(all, { holders: all, original: [a, b] }))
  assert.ok(await isComplete(all, { holders: all, original: [b, c, d] }))
})

async function failure(
  refusing: readonly MemberInfo[],
  candidates: CurrentCustodians,
  located: readonly MemberInfo[] = [],
): Promise<unknown> {
  const listed = {
    submission,
    leaf: 0,
    meta: { size: 1000, sealedKey: seedOf('sealed'), leaf: { recordId: seedOf('record'), version: 1, dispersalRoot: seedOf('dispersal') } },
  } as unknown as ListedVersion
  const reader = new SubmissionReader(peerOf(refusing, located), session, [listed], candidates, {})
  try {
    for await (const _ of reader.read());
  } catch (error) {
    return (error as EpioneError).code
  }
  return undefined
}

test('a read says that there is nothing only where enough original holders refuse, whatever others say', async () => {
  const holders = [a, b, c, d]
  assert.is(await failure([a, b, c], { holders, original: holders, former: [], indices: new Map() }), 'not-found')
  assert.is(await failure([a, b], { holders, original: holders, former: [], indices: new Map() }), 'too-few-fragments')
  assert.is(await failure([a, b, e], { holders, original: holders, former: [e], indices: new Map() }), 'too-few-fragments')
  assert.is(await failure([a, b, f], { holders, original: holders, former: [], indices: new Map() }, [f]), 'too-few-fragments')
  assert.is(await failure([a, b, c], { holders, original: [a, b, d], former: [], indices: new Map() }), 'too-few-fragments')
})

test.run()
