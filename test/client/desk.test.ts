/** Lists of the desk come whole, page after page, and a node whose pages do not end is found out. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { deskCases, deskDisputes, deskNotices } from '../../src/client/desk.ts'
import { personFromSeeds } from '../../src/client/identity.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { type DeskResponse, deskContentCodec, deskRequestCodec, deskResponseCodec } from '../../src/network/light-messages.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { nodeKeys, seedOf } from '../node/cluster.ts'

const test = suite('desk of an organisation')
const { account, network } = nodeKeys(0)
const person = personFromSeeds({ organisation: account, role: 'physician', signingSeed: seedOf('signing'), sealingSeed: seedOf('sealing') })
const FOLDER = seedOf('folder')
const numbered = (i: number, length: number): Uint8Array => new Uint8Array(length).fill(i, length - 1)

/** A desk that answers with one page for each that it was given. @param pages what each page has, and where the next begins */
function deskOf(answer: (after: Uint8Array | null, page: number) => DeskResponse): { peer: LightPeer; asked: () => (Uint8Array | null)[] } {
  const asked: (Uint8Array | null)[] = []
  const peer = {
    chainId: seedOf('chain'),
    now: () => 1,
    member: async () => ({ id: account, organisation: { networkKey: network.publicKey } }),
    nodes: {
      network: { networkKey: seedOf('peer') },
      request: async (_key: Uint8Array, _protocol: string, bytes: Uint8Array) => {
        const { action } = deskContentCodec.decode(deskRequestCodec.decode(bytes).content)
        const { after } = action.value as { after: Uint8Array | null }
        asked.push(after)
        return deskResponseCodec.encode(answer(after, asked.length - 1))
      },
    },
  }
  return { peer: peer as unknown as LightPeer, asked: () => asked }
}

const emergency = (i: number) => ({
  ...{ folder: FOLDER, entry: numbered(i, 32), time: i, reader: seedOf('reader'), role: 'paramedic' },
  ...({ purpose: 'BTG', reason: 'unconscious' } as const),
})

test('each page begins where the one before ended', async () => {
  const next = [numbered(1, 64), numbered(2, 64), null]
  const desk = deskOf((_, page) => ({ type: 'cases', value: { cases: [emergency(page)], next: next[page] as Uint8Array | null } }))
  assert.equal(
    (await deskCases(desk.peer, person)).map(({ time }) => time),
    [0, 1, 2],
  )
  assert.equal(desk.asked(), [null, numbered(1, 64), numbered(2, 64)])

  // A page may be empty, where what was on it is not for the asker.
  const disputes = deskOf((_, page) => ({
    type: 'disputes',
    value: {
      disputes: page === 1 ? [] : [{ dispute: numbered(page, 32), opening: Uint8Array.of(1), statement: Uint8Array.of(2) }],
      next: page === 2 ? null : numbered(page + 1, 32),
    },
  }))
  assert.equal((await deskDisputes(disputes.peer, person, FOLDER)).length, 2)

  const kept = { notice: Uint8Array.of(1), reader: person.signing.publicKey, received: 3, seen: null }
  const notices = deskOf((_, page) => ({ type: 'notices', value: { notices: [kept], next: page === 0 ? numbered(1, 64) : null } }))
  assert.is((await deskNotices(notices.peer, person)).length, 2)
})

test('pages that come again, or another answer than was asked for, are refused', async () => {
  const same = deskOf(() => ({ type: 'cases', value: { cases: [emergency(1)], next: numbered(1, 64) } }))
  await rejectsCode(deskCases(same.peer, person), 'malformed')
  assert.is(same.asked().length, 2)
  await rejectsCode(deskNotices(deskOf(() => ({ type: 'done', value: {} })).peer, person), 'malformed')
})

test.run()
