/** Cases that wait for their review, more of them than one answer holds. */
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { accessEntryCodec } from '../../src/contracts/access-formats.ts'
import { type EmergencyOpening, emergencyCodec, emergencyCommitment } from '../../src/contracts/emergency-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import { MAX_CASES } from '../../src/network/light-messages.ts'
import type { Chain } from '../../src/node/chain.ts'
import { EmergencyCases } from '../../src/node/emergency-cases.ts'
import type { Keyring } from '../../src/node/keyring.ts'
import { seedOf } from './cluster.ts'
import { temporary } from './ledger-fixture.ts'

const test = suite('emergency cases')
const COUNT = 2 * MAX_CASES + 5
const ACCOUNT = seedOf('organisation')

function opening(i: number): EmergencyOpening {
  const access = {
    salt: seedOf('salt', i),
    folder: seedOf('folder', i),
    reader: seedOf('reader'),
    role: 'paramedic',
    purpose: 'BTG',
    records: null,
  } as const
  return { access, reason: 'unconscious' }
}

test('every case is on one of the pages, and on no other', async () => {
  using place = temporary()
  const store = await openLevelStore(join(place.dir, 'cases'))
  const reviewed = new Set<string>()
  const numbers = new Map(Array.from({ length: COUNT }, (_, i) => [toHex(seedOf('folder', i)), i]))
  const chain = {
    tip: {
      tree: {
        entries: (prefix: Uint8Array) => {
          const folder = prefix.slice(1)
          const review = { reviewer: ACCOUNT, commitment: ACCOUNT, sealedHash: ACCOUNT, time: 1, height: 1 }
          const value = emergencyCodec.encode({
            ...{ organisation: ACCOUNT, clinician: ACCOUNT, time: 7, until: 8, height: 1 },
            review: reviewed.has(toHex(folder)) ? review : null,
          })
          return [[new Uint8Array([...prefix, ...folder]), value]]
        },
      },
    },
    store: {
      logItemById: async (entry: Uint8Array) => {
        const i = numbers.get(toHex(entry))
        if (i === undefined) return undefined
        return accessEntryCodec.encode({
          ...{ folder: entry, index: 0, organisation: ACCOUNT, consent: null, until: 8, height: 1, time: 7 },
          commitment: emergencyCommitment(opening(i)),
        })
      },
    },
  } as unknown as Chain
  const keyring = {
    seal: (_: Uint8Array, plain: Uint8Array) => plain,
    open: (sealed: Uint8Array) => sealed,
    within: async (_: Uint8Array, act: () => Promise<void>) => await act(),
  } as unknown as Keyring
  const cases = new EmergencyCases({ account: ACCOUNT, chain, keyring, store, now: () => 10 })
  for (let i = 0; i < COUNT; i++) await cases.keep(opening(i))

  const all = async (): Promise<{ folders: string[]; sizes: number[] }> => {
    const folders: string[] = []
    const sizes: number[] = []
    for (let after: Uint8Array | null = null; ; ) {
      const page: Awaited<ReturnType<EmergencyCases['waiting']>> = await cases.waiting(after)
      sizes.push(page.cases.length)
      folders.push(...page.cases.map(({ folder }) => toHex(folder)))
      if (page.next === null) return { folders, sizes }
      after = page.next
    }
  }
  const { folders, sizes } = await all()
  assert.equal(sizes, [MAX_CASES, MAX_CASES, 5])
  assert.equal(folders, [...numbers.keys()].toSorted())
  // What was reviewed meanwhile is forgotten, and no page lacks another for it.
  for (const folder of folders.slice(10, 80)) reviewed.add(folder)
  assert.equal((await all()).folders, [...folders.slice(0, 10), ...folders.slice(80)])
  assert.equal((await cases.waiting(new Uint8Array(64).fill(0xff))).next, null)
  await store.close()
})

test.run()
