import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type AccessEntry, accessEntryCodec, accessEntryId, nextLogHead } from '../../src/contracts/access-formats.ts'
import { consentCodec, EXPIRY_BUCKET_MS, expiryBucket, revokeBodyCodec, rewrapBodyCodec } from '../../src/contracts/consents-formats.ts'
import { decodeEventData, isEventName } from '../../src/contracts/events.ts'
import {
  type AdvanceFolder,
  advanceFolderCodec,
  folderCodec,
  LAST_EPOCH,
  MAX_REWRAPS,
  ownerCodec,
  rotateFolderCodec,
} from '../../src/contracts/folders-formats.ts'
import { accountCodec, logHeadCodec } from '../../src/contracts/members-formats.ts'
import { anchorCodec, eraseBodyCodec, erasureCodec } from '../../src/contracts/records-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { recoveryKeyHash } from '../../src/crypto/wallet.ts'
import type { Transaction } from '../../src/ledger/transaction.ts'
import {
  account,
  accountKey,
  act,
  createBody,
  DAY,
  genesisOf,
  HOUR,
  hashOf,
  isQuota,
  keyOf,
  leavesOf,
  organisation,
  ownerHash,
  sealingKey,
  World,
} from './world.ts'

const test = suite('folders, records, consents, access')

function withFolder(): World {
  const world = new World()
  assert.is(world.run(world.create('nairobi', 'amina')).code, 'ok')
  return world
}

/** Runs an act that must succeed, and gives its events' names. */
function ok(world: World, transaction: Transaction): string[] {
  const receipt = world.run(transaction)
  assert.is(receipt.code, 'ok')
  for (const { name, data } of receipt.events) {
    assert.ok(isEventName(name), name)
    if (isEventName(name)) decodeEventData(name, data)
  }
  return receipt.events.map(({ name }) => name)
}

function refused(world: World, transaction: Transaction, code: string, timeMs?: number, leaves = leavesOf(code)): void {
  const { receipts, changes } = world.preview([transaction], timeMs === undefined ? {} : { timeMs })
  assert.equal([receipts[0]?.code, changes.length], [code, leaves])
  assert.ok(changes.every(isQuota), `${code} leaves all but the quota as it was`)
}

const rotateTo = (owner: string, recovery = 'amina recovery') =>
  act('folders.rotate', rotateFolderCodec, { ownerKeyHash: ownerHash(owner), recoveryKeyHash: recoveryKeyHash(keyOf(recovery).publicKey) })
const advanceFrom = (epoch: number, name = 'next', consents: Partial<Pick<AdvanceFolder, 'revoke' | 'rewraps'>> = {}) =>
  act('folders.advance', advanceFolderCodec, {
    epoch,
    sealingKey: sealingKey(name),
    previousKeyHash: hashOf(name),
    revoke: [],
    rewraps: [],
    ...consents,
  })
const erase = (...marks: string[]) => act('records.erase', eraseBodyCodec, { marks: marks.map(hashOf) })
const revoke = (world: World, commitment: string) =>
  act('consents.revoke', revokeBodyCodec, { consent: world.consent('amina', commitment) })

// Folders.

test('create: the folder, and the way to it from its owner key', () => {
  const world = new World()
  assert.equal(ok(world, world.create('nairobi', 'amina')), ['folders.created'])
  const id = world.folder('amina')
  const { ownerKeyHash, recoveryKeyHash: recovery, sealingKey: key, labelCommitment } = createBody('amina')
  assert.equal(world.read(folderCodec, stateKey.folder(id)), {
    author: account('nairobi'),
    ownerKeyHash,
    recoveryKeyHash: recovery,
    epoch: 0,
    sealingKey: key,
    previousKeyHash: null,
    labelCommitment,
    policy: 0,
    status: 'open',
  })
  assert.equal(world.read(ownerCodec, stateKey.owner(ownerKeyHash)), id)
})

test('create: the same again is fine and tells nobody; anything else exists', () => {
  const world = withFolder()
  assert.equal(ok(world, world.create('nairobi', 'amina')), [])
  refused(world, world.create('berlin', 'amina'), 'exists')
  refused(world, world.create('nairobi', 'amina', { labelCommitment: hashOf('other') }), 'exists')
  refused(world, world.create('nairobi', 'amina', { sealingKey: sealingKey('other') }), 'exists')
  ok(world, world.byFolder('amina', advanceFrom(0)))
  refused(world, world.create('nairobi', 'amina'), 'exists')
})

test('create: the residency policy is one of genesis, and has enough custodians', () => {
  const world = new World()
  refused(world, world.create('nairobi', 'amina', { policy: 2 }), 'unknown-policy')
  refused(world, world.create('nairobi', 'amina', { policy: 1 }), 'too-few-custodians')
  const german = ['a', 'b', 'c', 'd'].map(name => organisation(name, { jurisdiction: 'DE' }))
  const wide = new World({ ...genesisOf(), organisations: [...genesisOf().organisations, ...german] })
  ok(wide, wide.create('nairobi', 'amina', { policy: 1 }))
})

test('create: not by folders, not by who is no member', () => {
  const world = withFolder()
  const body = { contract: 'folders', action: 'create', body: new Uint8Array() }
  refused(
    world,
    world.byFolder('amina', { ...body, body: world.create('nairobi', 'x').content.body }, { sponsor: 'nairobi' }),
    'not-allowed',
  )
  refused(world, world.create('stranger', 'bela'), 'unknown-author')
})

test('rotate: the new key rules, the old one no longer leads anywhere', () => {
  const world = withFolder()
  assert.equal(ok(world, world.byFolder('amina', rotateTo('bela'))), ['folders.rotated'])
  const id = world.folder('amina')
  assert.equal(world.read(folderCodec, stateKey.folder(id))?.ownerKeyHash, ownerHash('bela'))
  assert.is(world.read(ownerCodec, stateKey.owner(ownerHash('amina'))), undefined)
  assert.equal(world.read(ownerCodec, stateKey.owner(ownerHash('bela'))), id)
  refused(world, world.byFolder('amina', rotateTo('cora')), 'unknown-owner')
  refused(world, world.byFolder('amina', rotateTo('cora'), { signer: 'amina recovery' }), 'unknown-owner')
  assert.equal(ok(world, world.byFolder('amina', rotateTo('bela'), { signer: 'bela' })), [], 'the same again')
  assert.equal(ok(world, world.byFolder('amina', rotateTo('bela', 'other'), { signer: 'bela' })), ['recovery.announced'])
  refused(world, world.create('nairobi', 'bela'), 'exists')
})

test('rotate: not to a key that has a folder', () => {
  const world = withFolder()
  ok(world, world.create('nairobi', 'bela'))
  refused(world, world.byFolder('amina', rotateTo('bela')), 'exists')
  refused(world, world.byMember('nairobi', rotateTo('cora')), 'not-allowed')
})

test('advance: a new epoch, compared with the one that the owner saw', () => {
  const world = withFolder()
  assert.equal(ok(world, world.byFolder('amina', advanceFrom(0))), ['folders.advanced'])
  const folder = world.read(folderCodec, stateKey.folder(world.folder('amina')))
  assert.equal([folder?.epoch, folder?.sealingKey, folder?.previousKeyHash], [1, sealingKey('next'), hashOf('next')])
  assert.equal(ok(world, world.byFolder('amina', advanceFrom(0))), [], 'the same again')
  refused(world, world.byFolder('amina', advanceFrom(0, 'other')), 'stale-epoch')
  refused(world, world.byFolder('amina', advanceFrom(2)), 'stale-epoch')
  assert.equal(ok(world, world.byFolder('amina', advanceFrom(1, 'third'))), ['folders.advanced'])
  refused(world, world.byMember('nairobi', advanceFrom(2)), 'not-allowed')
})

test('advance: epochs end', () => {
  const world = withFolder()
  const key = stateKey.folder(world.folder('amina'))
  const folder = world.read(folderCodec, key)!
  world.state = world.state.apply([{ key, value: folderCodec.encode({ ...folder, epoch: LAST_EPOCH }) }])
  refused(world, world.byFolder('amina', advanceFrom(LAST_EPOCH)), 'epoch-limit')
})

const wrapsFor = (world: World, ...names: string[]) =>
  names.map(name => ({ consent: world.consent('amina', name), wrapHash: hashOf(`${name} again`) }))

function withGrants(...names: string[]): World {
  const world = withFolder()
  for (const name of names) ok(world, world.byFolder('amina', world.grantBody(name), { sponsor: 'berlin' }))
  return world
}

const consentOf = (world: World, name: string) =>
  world.read(consentCodec, stateKey.consent(world.folder('amina'), world.consent('amina', name)))!

test('advance: one act ends consents, starts the epoch and takes the others with it', () => {
  const world = withGrants('gone', 'kept', 'left')
  const before = consentOf(world, 'kept')
  const body = advanceFrom(0, 'next', { revoke: [world.consent('amina', 'gone')], rewraps: wrapsFor(world, 'kept') })
  const { code, events } = world.run(world.byFolder('amina', body))
  assert.equal([code, events.map(({ name }) => name)], ['ok', ['folders.advanced', 'consents.revoked', 'consents.rewrapped']])
  assert.equal(decodeEventData('consents.rewrapped', events[2]!.data), { epoch: 1, count: 1 })
  assert.equal([consentOf(world, 'gone').status, consentOf(world, 'gone').epoch], ['revoked', 0])
  assert.equal(consentOf(world, 'kept'), { ...before, epoch: 1, wrapHash: hashOf('kept again'), height: world.height })
  assert.is(consentOf(world, 'left').epoch, 0, 'a consent that is not named stays where it is')
  assert.equal(ok(world, world.byFolder('amina', body)), [], 'the same again')
})

test('advance: who loses the race changes nothing, and a revoked consent never comes along', () => {
  const world = withGrants('a', 'b')
  ok(world, world.byFolder('amina', revoke(world, 'a')))
  const first = advanceFrom(0, 'one', { rewraps: wrapsFor(world, 'a', 'b') })
  const { events } = world.run(world.byFolder('amina', first))
  assert.equal(decodeEventData('consents.rewrapped', events[1]!.data), { epoch: 1, count: 1 })
  assert.equal([consentOf(world, 'a').status, consentOf(world, 'a').epoch, consentOf(world, 'b').epoch], ['revoked', 0, 1])
  const late = advanceFrom(0, 'two', { revoke: [world.consent('amina', 'b')] })
  refused(world, world.byFolder('amina', late), 'stale-epoch')
  assert.is(consentOf(world, 'b').status, 'active')
  refused(world, world.byFolder('amina', advanceFrom(1, 'x', { revoke: [hashOf('unknown')] })), 'not-found')
  refused(world, world.byFolder('amina', advanceFrom(1, 'x', { rewraps: wrapsFor(world, 'unknown') })), 'not-found')
})

test('advance: as many consents as one act takes fit into a transaction', () => {
  const world = withFolder()
  const many = Array.from({ length: MAX_REWRAPS }, (_, i) => hashOf(`${i}`))
  const body = advanceFrom(0, 'next', { revoke: many, rewraps: many.map(consent => ({ consent, wrapHash: consent })) })
  refused(world, world.byFolder('amina', body), 'not-found')
  assert.throws(() => advanceFrom(0, 'next', { revoke: [...many, hashOf('one more')] }))
})

test('rewrap: into the present epoch alone, by the owner alone', () => {
  const world = withGrants('a', 'b')
  ok(world, world.byFolder('amina', advanceFrom(0)))
  const rewrap = (epoch: number, ...names: string[]) =>
    act('consents.rewrap', rewrapBodyCodec, { epoch, rewraps: wrapsFor(world, ...names) })
  refused(world, world.byFolder('amina', rewrap(0, 'a')), 'stale-epoch')
  refused(world, world.byFolder('amina', rewrap(2, 'a')), 'stale-epoch')
  refused(world, world.byFolder('amina', rewrap(1, 'c')), 'not-found')
  refused(world, world.byMember('nairobi', rewrap(1, 'a')), 'not-allowed')
  refused(world, world.byFolder('amina', rewrap(1, 'a'), { signer: 'mallory' }), 'unknown-owner')
  assert.equal(ok(world, world.byFolder('amina', rewrap(1, 'a', 'b'))), ['consents.rewrapped'])
  assert.equal([consentOf(world, 'a').epoch, consentOf(world, 'b').epoch], [1, 1])
  assert.equal(ok(world, world.byFolder('amina', rewrap(1, 'a', 'b'))), [], 'the same again')
  ok(world, world.byFolder('amina', revoke(world, 'a')))
  assert.equal(ok(world, world.byFolder('amina', rewrap(1, 'a'))), [], 'a revoked one is passed over')
  assert.is(consentOf(world, 'a').status, 'revoked')
})

test('an erased folder is one that does not exist', () => {
  const world = withFolder()
  ok(world, world.byFolder('amina', world.grantBody('c'), { sponsor: 'berlin' }))
  const key = stateKey.folder(world.folder('amina'))
  const folder = world.read(folderCodec, key)!
  world.state = world.state.apply([{ key, value: folderCodec.encode({ ...folder, status: 'erased' }) }])
  refused(world, world.byFolder('amina', advanceFrom(0)), 'unknown-owner')
  refused(world, world.byMember('nairobi', world.anchorBody('amina', 's')), 'not-found')
  refused(world, world.byMember('berlin', world.openBody('amina', world.consent('amina', 'c'))), 'not-found')
})

// Records.

test('anchor: by the author organisation, and by the owner with a sponsor', () => {
  const world = withFolder()
  assert.equal(ok(world, world.byMember('nairobi', world.anchorBody('amina', 'a'))), ['records.anchored'])
  assert.equal(ok(world, world.byFolder('amina', world.anchorBody('amina', 'b'), { sponsor: 'berlin' })), ['records.anchored'])
  const anchor = (name: string) => world.read(anchorCodec, stateKey.submission(world.folder('amina'), hashOf(name)))
  const common = { epoch: 0, sizeBucket: 20, n: 4, k: 2, memberHeight: 0 }
  assert.equal(anchor('a'), { ...common, author: account('nairobi'), height: 2 })
  assert.equal(anchor('b'), { ...common, author: account('berlin'), height: 3 })
})

test('anchor: nobody else, and nowhere else', () => {
  const world = withFolder()
  ok(world, world.create('nairobi', 'bela'))
  refused(world, world.byMember('berlin', world.anchorBody('amina', 's')), 'not-found')
  refused(world, world.byMember('nairobi', world.anchorBody('nobody', 's')), 'not-found')
  refused(world, world.byFolder('amina', world.anchorBody('bela', 's'), { sponsor: 'nairobi' }), 'not-found')
  refused(world, world.byFolder('amina', world.anchorBody('amina', 's')), 'sponsor-required')
})

test('anchor: the same again is fine, other content exists, whatever changed since', () => {
  const world = withFolder()
  ok(world, world.byMember('nairobi', world.anchorBody('amina', 's')))
  assert.equal(ok(world, world.byMember('nairobi', world.anchorBody('amina', 's'))), [])
  refused(world, world.byMember('nairobi', world.anchorBody('amina', 's', { sizeBucket: 21 })), 'exists')
  refused(world, world.byFolder('amina', world.anchorBody('amina', 's'), { sponsor: 'berlin' }), 'exists')
  ok(world, world.byFolder('amina', advanceFrom(0)))
  assert.equal(ok(world, world.byMember('nairobi', world.anchorBody('amina', 's'))), [])
  refused(world, world.byMember('nairobi', world.anchorBody('amina', 's', { epoch: 1 })), 'exists')
})

test('anchor: epoch, custodians and dispersal are those of this moment', () => {
  const world = withFolder()
  ok(world, world.byFolder('amina', advanceFrom(0)))
  refused(world, world.byMember('nairobi', world.anchorBody('amina', 's')), 'stale-epoch')
  refused(world, world.byMember('nairobi', world.anchorBody('amina', 's', { epoch: 2 })), 'stale-epoch')
  refused(world, world.byMember('nairobi', world.anchorBody('amina', 's', { epoch: 1, memberHeight: 1 })), 'stale-members')
  refused(world, world.byMember('nairobi', world.anchorBody('amina', 's', { epoch: 1, n: 7 })), 'wrong-dispersal')
  refused(world, world.byMember('nairobi', world.anchorBody('amina', 's', { epoch: 1, k: 3 })), 'wrong-dispersal')
  ok(world, world.byMember('nairobi', world.anchorBody('amina', 's', { epoch: 1 })))
})

test('anchor: a removed author no longer writes', () => {
  const world = withFolder()
  const removed = { ...world.read(accountCodec, accountKey('nairobi'))!, status: 'removed' as const }
  world.state = world.state.apply([{ key: accountKey('nairobi'), value: accountCodec.encode(removed) }])
  refused(world, world.byMember('nairobi', world.anchorBody('amina', 's')), 'unknown-author')
  refused(world, world.byFolder('amina', world.anchorBody('amina', 's'), { sponsor: 'nairobi' }), 'unknown-sponsor')
})

test('erase: marks stay at the height of the first order', () => {
  const world = withFolder()
  assert.equal(ok(world, world.byFolder('amina', erase('a', 'b', 'a'))), ['records.erased'])
  const mark = (name: string) => world.read(erasureCodec, stateKey.erasure(world.folder('amina'), hashOf(name)))
  assert.equal([mark('a'), mark('b'), mark('c')], [2, 2, undefined])
  assert.equal(ok(world, world.byFolder('amina', erase('a', 'b'))), [])
  const { events } = world.run(world.byFolder('amina', erase('b', 'c')))
  assert.equal(decodeEventData('records.erased', events[0]!.data), { marks: 1 })
  assert.equal([mark('a'), mark('b'), mark('c')], [2, 2, 4])
})

test('erase: by the owner alone, and with something to erase', () => {
  const world = withFolder()
  refused(world, world.byMember('nairobi', erase('a')), 'not-allowed')
  refused(world, world.byFolder('amina', erase('a'), { signer: 'mallory' }), 'unknown-owner')
  refused(world, world.byFolder('amina', { contract: 'records', action: 'erase', body: Uint8Array.of(0x81, 0x80) }), 'malformed')
})

// Consents.

test('grant and revoke', () => {
  const world = withFolder()
  assert.equal(ok(world, world.byFolder('amina', world.grantBody('c'), { sponsor: 'berlin' })), ['consents.granted'])
  const key = stateKey.consent(world.folder('amina'), world.consent('amina', 'c'))
  const granted = world.read(consentCodec, key)!
  assert.equal(
    [granted.status, granted.commitment, granted.wrapHash, granted.epoch, granted.height],
    ['active', hashOf('c'), hashOf('c wrap'), 0, 2],
  )
  assert.equal(ok(world, world.byFolder('amina', revoke(world, 'c'))), ['consents.revoked'])
  assert.equal(world.read(consentCodec, key), { ...granted, status: 'revoked', height: 3 })
  assert.equal(ok(world, world.byFolder('amina', revoke(world, 'c'))), [], 'the same again')
  assert.is(world.read(consentCodec, key)?.height, 3)
})

test('grant: the same again is fine, other content exists, and a revoked one does not come back', () => {
  const world = withFolder()
  const expiry = expiryBucket(world.timeMs + 30 * DAY)
  const grant = (changes: Parameters<World['grantBody']>[1] = {}) =>
    world.byFolder('amina', world.grantBody('c', { expiry, ...changes }), { sponsor: 'berlin' })
  ok(world, grant())
  assert.equal(ok(world, grant()), [])
  refused(world, grant({ expiry: expiry + EXPIRY_BUCKET_MS }), 'exists')
  refused(world, grant({ wrapHash: hashOf('other') }), 'exists')
  refused(world, grant({ epoch: 1 }), 'exists')
  ok(world, world.byFolder('amina', advanceFrom(0)))
  assert.equal(ok(world, grant()), [], 'also after a new epoch')
  ok(world, world.byFolder('amina', revoke(world, 'c')))
  refused(world, grant(), 'exists')
})

test('grant: the wrap is for the present epoch', () => {
  const world = withFolder()
  refused(world, world.byFolder('amina', world.grantBody('c', { epoch: 1 }), { sponsor: 'berlin' }), 'stale-epoch')
  ok(world, world.byFolder('amina', advanceFrom(0)))
  refused(world, world.byFolder('amina', world.grantBody('c'), { sponsor: 'berlin' }), 'stale-epoch')
  ok(world, world.byFolder('amina', world.grantBody('c', { epoch: 1 }), { sponsor: 'berlin' }))
})

test('grant: expiries are whole days, ahead, and not for ever', () => {
  const world = withFolder()
  const at = (expiry: number) => world.byFolder('amina', world.grantBody('c', { expiry }), { sponsor: 'berlin' })
  const today = expiryBucket(world.timeMs)
  const last = expiryBucket(world.timeMs + 3653 * DAY)
  refused(world, at(today + 1), 'bad-expiry')
  refused(world, at(today - DAY), 'bad-expiry')
  refused(world, at(0), 'bad-expiry')
  refused(world, at(last + DAY), 'bad-expiry')
  for (const expiry of [today, last]) assert.is(world.preview([at(expiry)]).receipts[0]?.code, 'ok')
  const late = world.byFolder('amina', world.grantBody('c', { expiry: today }), { sponsor: 'berlin', changes: { validUntil: today } })
  refused(world, late, 'bad-expiry', today)
})

test('revoke: what this folder never granted is not found', () => {
  const world = withFolder()
  ok(world, world.create('nairobi', 'bela'))
  ok(world, world.byFolder('bela', world.grantBody('c'), { sponsor: 'berlin' }))
  refused(world, world.byFolder('amina', revoke(world, 'c')), 'not-found')
  const foreign = act('consents.revoke', revokeBodyCodec, { consent: world.consent('bela', 'c') })
  refused(world, world.byFolder('amina', foreign), 'not-found')
  refused(world, world.byMember('berlin', foreign), 'not-allowed')
  refused(world, world.byMember('berlin', world.grantBody('x')), 'not-allowed')
})

// Access.

function withConsent(): World {
  const world = withFolder()
  ok(world, world.byFolder('amina', world.grantBody('c'), { sponsor: 'nairobi' }))
  return world
}

test('open: entries follow each other in the log, whose head the state holds', () => {
  const world = withConsent()
  const folder = world.folder('amina')
  const first = world.byMember('berlin', world.openBody('amina', world.consent('amina', 'c')))
  const second = world.byFolder('amina', world.openBody('amina', null, { commitment: hashOf('own') }), { sponsor: 'nairobi' })
  const third = world.byMember('berlin', world.openBody('amina', world.consent('amina', 'c')))
  const one = world.block([first, second])
  const two = world.block([third])
  assert.equal(
    [...one.receipts, ...two.receipts].map(({ code }) => code),
    ['ok', 'ok', 'ok'],
  )
  const items = [...one.logItems, ...two.logItems]
  assert.equal(
    items.map(({ index }) => index),
    [0, 1, 2],
  )
  let head: Uint8Array = new Uint8Array(32)
  const entries: AccessEntry[] = []
  for (const { stream, id, body } of items) {
    assert.equal(stream, stateKey.accessLog(folder))
    entries.push(accessEntryCodec.decode(body))
    assert.equal(accessEntryId(entries.at(-1)!), id)
    head = nextLogHead(head, id)
  }
  assert.equal(world.read(logHeadCodec, stateKey.accessLog(folder)), { count: 3, head })
  const time = world.timeMs - 1000
  assert.equal(entries[0], {
    folder,
    index: 0,
    organisation: account('berlin'),
    consent: world.consent('amina', 'c'),
    commitment: hashOf('access'),
    until: time - 1000 + 600_000,
    height: 3,
    time,
  })
  assert.equal([entries[1]?.organisation, entries[1]?.consent, entries[1]?.commitment], [null, null, hashOf('own')])
  const { data } = two.receipts[0]!.events[0]!
  const { entry, position, organisation: reader } = decodeEventData('access.opened', data)
  assert.equal([entry, position, reader], [items[2]?.id, 2, account('berlin')])
})

test('open: unknown folder, unknown, revoked, expired or foreign consent read alike', () => {
  const world = withConsent()
  ok(world, world.create('nairobi', 'bela'))
  ok(world, world.byFolder('amina', world.grantBody('gone'), { sponsor: 'nairobi' }))
  ok(world, world.byFolder('amina', revoke(world, 'gone')))
  const expiry = expiryBucket(world.timeMs)
  ok(world, world.byFolder('amina', world.grantBody('short', { expiry }), { sponsor: 'nairobi' }))
  const open = (owner: string, consent: Uint8Array, changes = {}) => world.byMember('berlin', world.openBody(owner, consent), changes)
  refused(world, open('nobody', world.consent('amina', 'c')), 'not-found')
  refused(world, open('bela', world.consent('amina', 'c')), 'not-found')
  refused(world, open('amina', hashOf('none')), 'not-found')
  refused(world, open('amina', world.consent('amina', 'gone')), 'not-found')
  const at = (timeMs: number) =>
    world.byMember('berlin', world.openBody('amina', world.consent('amina', 'short'), { until: timeMs + 1 }), { validUntil: timeMs })
  refused(world, at(expiry), 'not-found', expiry)
  assert.is(world.preview([at(expiry - 1)], { timeMs: expiry - 1 }).receipts[0]?.code, 'ok', 'its last millisecond')
})

test('open: sessions end within the hour', () => {
  const world = withConsent()
  const time = world.timeMs + 1000
  const until = (ms: number) => world.byMember('berlin', world.openBody('amina', world.consent('amina', 'c'), { until: ms }))
  refused(world, until(time), 'bad-until')
  refused(world, until(time - 1), 'bad-until')
  refused(world, until(time + HOUR + 1), 'bad-until')
  assert.is(world.preview([until(time + 1)]).receipts[0]?.code, 'ok')
  assert.is(world.preview([until(time + HOUR)]).receipts[0]?.code, 'ok')
})

test('open: organisations name a consent, owners do not', () => {
  const world = withConsent()
  ok(world, world.create('nairobi', 'bela'))
  refused(world, world.byMember('nairobi', world.openBody('amina', null)), 'consent-required')
  refused(world, world.byMember('nairobi', world.openBody('nobody', null)), 'consent-required')
  const ownerUnderConsent = world.byFolder('amina', world.openBody('amina', world.consent('amina', 'c')), { sponsor: 'berlin' })
  refused(world, ownerUnderConsent, 'not-allowed', undefined, 1)
  refused(world, world.byFolder('amina', world.openBody('bela', null), { sponsor: 'berlin' }), 'not-found')
  refused(world, world.byFolder('amina', world.openBody('amina', null)), 'sponsor-required')
})

test('open: each is an entry of its own', () => {
  const world = withConsent()
  const open = () => world.byMember('berlin', world.openBody('amina', world.consent('amina', 'c'), { until: world.timeMs + 60_000 }))
  assert.equal(ok(world, open()), ['access.opened'])
  assert.equal(ok(world, open()), ['access.opened'])
  assert.is(world.read(logHeadCodec, stateKey.accessLog(world.folder('amina')))?.count, 2)
})

test.run()
