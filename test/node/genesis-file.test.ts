import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { chainId, type Genesis } from '../../src/contracts/members-formats.ts'
import { formatGenesis, organisationFromFile, organisationToFile, parseGenesis, readGenesis } from '../../src/node/genesis-file.ts'
import { rejectsCode, throwsCode } from '../encoding/throws.ts'
import { genesisOf } from './cluster.ts'
import { temporary } from './ledger-fixture.ts'

const test = suite('genesis file')
const genesis = genesisOf(
  { time: 1_700_000_000_123 },
  {
    policies: [
      { name: 'any', jurisdictions: null },
      { name: 'eu', jurisdictions: ['DE', 'FR'] },
    ],
  },
)
type Organisation = Genesis['organisations'][number]

test('a document and its file are the same chain', async () => {
  assert.equal(parseGenesis(formatGenesis(genesis)), genesis)
  assert.equal(chainId(parseGenesis(formatGenesis(genesis))), chainId(genesis))
  const [first] = genesis.organisations as [Organisation]
  assert.equal(organisationFromFile(organisationToFile(first)), first)
  const observer = { ...first, consensusKey: null, power: 0 }
  assert.equal(organisationFromFile(organisationToFile(observer)), observer)
  using place = temporary()
  const path = join(place.dir, 'genesis.json')
  await writeFile(path, formatGenesis(genesis))
  assert.equal(await readGenesis(path), genesis)
  assert.is(await readFile(path, 'utf8'), formatGenesis(genesis))
})

test('a file that is not there, or not a document, is named', async () => {
  using place = temporary()
  const path = join(place.dir, 'genesis.json')
  assert.match((await rejectsCode(readGenesis(path), 'genesis-missing')).message, path)
  await writeFile(path, '{ not json')
  assert.match((await rejectsCode(readGenesis(path), 'genesis-invalid')).message, path)
})

/** The file with one place of it changed, as text. */
function changed(change: (file: Record<string, never>) => void): string {
  const file = JSON.parse(formatGenesis(genesis)) as Record<string, never>
  change(file)
  return JSON.stringify(file)
}

const faults: [string, (file: never) => void, RegExp][] = [
  ['an unknown field', (file: { extra?: number }) => (file.extra = 1), /extra/],
  ['a missing field', (file: { network?: string }) => delete file.network, /network/],
  ['another version', (file: { version: number }) => (file.version = 2), /version/],
  ['a time that is none', (file: { time: string }) => (file.time = 'yesterday'), /time is not a date/],
  ['a name that no chain has', (file: { network: string }) => (file.network = 'Not This'), /network/],
  [
    'a key that is not hex',
    ({ organisations: [first] }: { organisations: [{ signingKey: string }] }) => (first.signingKey = 'XY'),
    /signingKey/,
  ],
  [
    'a key that is too short',
    ({ organisations: [first] }: { organisations: [{ signingKey: string }] }) => (first.signingKey = 'aabb'),
    /signingKey/,
  ],
  ['a kind that is unknown', ({ organisations: [first] }: { organisations: [{ kind: string }] }) => (first.kind = 'bank'), /kind/],
  [
    'a weight without a key',
    ({ organisations: [first] }: { organisations: [{ consensusKey: null }] }) => (first.consensusKey = null),
    /Lakeside Hospital/,
  ],
  [
    'one key for two',
    ({ organisations: [first, second] }: { organisations: [{ networkKey: string }, { networkKey: string }] }) =>
      (second.networkKey = first.networkKey),
    /Spree Clinic/,
  ],
  ['a k that one liar could reach', ({ parameters }: { parameters: { k: number } }) => (parameters.k = 1), /\bk\b/],
  ['a k that f losses make unreachable', ({ parameters }: { parameters: { k: number } }) => (parameters.k = 4), /\bk\b/],
  [
    'fewer custodians than fragments',
    ({ organisations: [first] }: { organisations: [{ capacity: number }] }) => (first.capacity = 0),
    /custodians/,
  ],
  [
    'a number that is no integer',
    ({ parameters }: { parameters: { heartbeatMs: number } }) => (parameters.heartbeatMs = 0.5),
    /heartbeatMs/,
  ],
  ['no organisation at all', (file: { organisations: never[] }) => (file.organisations = []), /organisations/],
]

for (const [name, change, reason] of faults) {
  test(`names the fault: ${name}`, () => {
    const error = throwsCode(() => parseGenesis(changed(change as (file: Record<string, never>) => void), 'here.json'), 'genesis-invalid')
    assert.match(error.message, reason)
  })
}

test.run()
