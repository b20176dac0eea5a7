import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { revokeBodyCodec } from '../../src/contracts/consents-formats.ts'
import { isPriority } from '../../src/contracts/contract-registry.ts'
import { decodeEventData } from '../../src/contracts/events.ts'
import { rotateFolderCodec } from '../../src/contracts/folders-formats.ts'
import { counterCodec, quotaCodec, validatorsCodec } from '../../src/contracts/members-formats.ts'
import { countsAsSeen, executeBlock } from '../../src/contracts/runtime.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { compareBytes } from '../../src/encoding/bytes.ts'
import { MalformedError } from '../../src/encoding/errors.ts'
import { receiptCodec } from '../../src/ledger/receipt.ts'
import type { StateChange } from '../../src/ledger/state-tree.ts'
import { countersign, createTransaction, decodeTransaction, type Transaction } from '../../src/ledger/transaction.ts'
import { account, accountKey, act, genesisOf, HOUR, hashOf, isQuota, keyOf, leavesOf, ownerHash, World } from './world.ts'

const test = suite('contract runtime')

const revokeBody = (world: World, owner: string, commitment: string) =>
  act('consents.revoke', revokeBodyCodec, { consent: world.consent(owner, commitment) })

/** A world with one folder of nairobi's, owned by amina. */
function withFolder(parameters: Parameters<typeof genesisOf>[1] = {}): World {
  const world = new World(genesisOf({}, parameters))
  assert.is(world.run(world.create('nairobi', 'amina')).code, 'ok')
  return world
}

/** Refused with this code, without events, without a change of the state but for the quota. */
function refuses(world: World, transaction: Transaction, code: string, options: { timeMs?: number; signaturesValid?: boolean } = {}): void {
  const result = world.preview([transaction], options)
  assert.equal(result.receipts, [{ transaction: transaction.id, code, events: [] }])
  assert.is(result.changes.length, leavesOf(code), code)
  assert.ok(result.changes.every(isQuota), `${code} leaves all but the quota as it was`)
  assert.equal(result.logItems, [])
}

test('a transaction of another chain, with a wrong signature, or out of its time', () => {
  const world = withFolder()
  const at = world.timeMs + 1000
  const by = (changes: Parameters<World['byMember']>[2]) => world.byMember('nairobi', world.anchorBody('amina', 's'), changes)
  refuses(world, by({ chainId: hashOf('other') }), 'wrong-chain')
  refuses(world, by({}), 'bad-signature', { signaturesValid: false })
  refuses(world, by({ validUntil: at - 1 }), 'expired')
  refuses(world, by({ validUntil: at + HOUR + 1 }), 'too-far-ahead')
  assert.is(world.preview([by({ validUntil: at })]).receipts[0]?.code, 'ok', 'the last moment counts')
  assert.is(world.preview([by({ validUntil: at + HOUR })]).receipts[0]?.code, 'ok', 'a whole hour counts')
})

test('signatures that are missing or too many', () => {
  const world = withFolder()
  const bySponsor = createTransaction(
    world.content({ kind: 'folder', id: world.folder('amina') }, world.grantBody('c'), 'berlin', {}),
    keyOf('amina'),
  )
  refuses(world, bySponsor, 'bad-signature')
  refuses(world, countersign(world.byMember('nairobi', world.anchorBody('amina', 's')), keyOf('berlin')), 'bad-signature')
})

test('checks come in their order', () => {
  const world = withFolder()
  const past = { validUntil: 0 }
  const body = { contract: 'nothing', action: 'nothing', body: new Uint8Array([1]) }
  refuses(world, world.byMember('stranger', body, { ...past, chainId: hashOf('x') }), 'wrong-chain', { signaturesValid: false })
  refuses(world, world.byMember('stranger', body, past), 'bad-signature', { signaturesValid: false })
  refuses(world, world.byMember('stranger', body, past), 'expired')
  refuses(world, world.byMember('stranger', body), 'unknown-contract')
  refuses(world, world.byMember('stranger', { ...body, contract: 'folders' }), 'unknown-action')
  refuses(world, world.byMember('stranger', { ...body, contract: 'folders', action: 'create' }), 'malformed')
  refuses(
    world,
    world.byMember('stranger', act('folders.rotate', rotateFolderCodec, { ownerKeyHash: hashOf('a'), recoveryKeyHash: hashOf('b') })),
    'not-allowed',
  )
  refuses(world, world.create('stranger', 'bela'), 'unknown-author')
})

test('names that every object has are no contracts', () => {
  const world = withFolder()
  for (const name of ['constructor', 'valueof', 'get', 'size']) {
    refuses(world, world.byMember('nairobi', { contract: name, action: 'create', body: new Uint8Array() }), 'unknown-contract')
    refuses(world, world.byMember('nairobi', { contract: 'folders', action: name, body: new Uint8Array() }), 'unknown-action')
  }
})

test('a body must be canonical bytes of its format', () => {
  const world = withFolder()
  const { body } = world.anchorBody('amina', 's')
  const forms = [new Uint8Array(), body.slice(1), body.slice(0, -1), Uint8Array.of(...body, 0), new Uint8Array(300)]
  for (const bytes of forms) refuses(world, world.byMember('nairobi', { contract: 'records', action: 'anchor', body: bytes }), 'malformed')
})

test('a replay is refused, in a later block and in the same one', () => {
  const world = withFolder()
  const transaction = world.byMember('nairobi', world.anchorBody('amina', 's'))
  assert.equal(
    world.block([transaction, transaction]).receipts.map(({ code }) => code),
    ['ok', 'seen'],
  )
  refuses(world, transaction, 'seen')
})

test('a failed act of its true author is a replay, too', () => {
  const world = withFolder()
  const transaction = world.byMember('nairobi', world.anchorBody('amina', 's', { epoch: 7 }))
  assert.equal(
    world.block([transaction, transaction]).receipts.map(({ code }) => code),
    ['stale-epoch', 'seen'],
  )
})

test('a copy under another key does not keep the true act out', () => {
  const world = withFolder()
  const grant = world.byFolder('amina', world.grantBody('c'), { sponsor: 'berlin' })
  assert.is(world.run(grant).code, 'ok')
  const revocation = world.byFolder('amina', revokeBody(world, 'amina', 'c'))
  const copy = createTransaction(revocation.content, keyOf('mallory'))
  assert.equal(copy.id, revocation.id, 'the id does not cover the key')
  assert.equal(
    world.block([copy, revocation, revocation]).receipts.map(({ code }) => code),
    ['unknown-owner', 'ok', 'seen'],
  )
  const anchor = world.byMember('nairobi', world.anchorBody('amina', 's'))
  assert.is(world.run(createTransaction(anchor.content, keyOf('mallory'))).code, 'wrong-key')
  assert.is(world.run(anchor).code, 'ok')
})

test('a copy with another sponsor signature does not keep the true act out', () => {
  const world = withFolder()
  const content = world.content({ kind: 'folder', id: world.folder('amina') }, world.grantBody('c'), 'berlin', {})
  const half = createTransaction(content, keyOf('amina'))
  assert.is(world.run(countersign(half, keyOf('mallory'))).code, 'wrong-key')
  assert.is(world.run(countersign(half, keyOf('berlin'))).code, 'ok')
})

test('which receipts make a transaction seen', () => {
  for (const code of ['ok', 'exists', 'stale-epoch', 'not-found', 'over-quota', 'over-folder-quota']) assert.ok(countsAsSeen(code), code)
  for (const code of ['wrong-key', 'unknown-owner', 'bad-signature', 'too-far-ahead', 'unknown-author', 'unknown-sponsor']) {
    assert.not.ok(countsAsSeen(code), code)
  }
})

test('authors and sponsors must be active members under their present key', () => {
  const world = withFolder()
  refuses(world, world.create('stranger', 'bela'), 'unknown-author')
  const content = world.content({ kind: 'account', id: account('berlin') }, world.anchorBody('amina', 's'), null, {})
  refuses(world, createTransaction(content, keyOf('nairobi')), 'wrong-key')
  refuses(world, world.byFolder('amina', world.grantBody('c'), { sponsor: 'stranger' }), 'unknown-sponsor')
  refuses(world, world.byFolder('amina', world.grantBody('c')), 'sponsor-required')
  refuses(
    world,
    countersign(world.byMember('nairobi', world.anchorBody('amina', 's'), { sponsor: account('berlin') }), keyOf('berlin')),
    'unexpected-sponsor',
  )
})

test('an unknown folder and a wrong owner key read alike', () => {
  const world = withFolder()
  refuses(world, world.byFolder('nobody', revokeBody(world, 'nobody', 'c')), 'unknown-owner')
  refuses(world, world.byFolder('amina', revokeBody(world, 'amina', 'c'), { signer: 'mallory' }), 'unknown-owner')
  refuses(world, world.byFolder('amina', revokeBody(world, 'amina', 'c'), { signer: 'amina recovery' }), 'unknown-owner')
})

test('a member sends and sponsors within its quota, which starts anew with the hour', () => {
  const world = withFolder({ sponsorQuota: 3 })
  assert.is(world.run(world.byMember('nairobi', world.anchorBody('amina', 'a'))).code, 'ok')
  assert.is(world.run(world.byFolder('amina', world.grantBody('a'), { sponsor: 'nairobi' })).code, 'ok')
  refuses(world, world.byMember('nairobi', world.anchorBody('amina', 'b')), 'over-quota')
  refuses(world, world.byFolder('amina', world.grantBody('b'), { sponsor: 'nairobi' }), 'over-quota')
  assert.is(world.run(world.byFolder('amina', world.grantBody('b'), { sponsor: 'berlin' })).code, 'ok', 'another sponsor has its own')
  const next = Math.ceil(world.timeMs / HOUR) * HOUR
  const later = world.byMember('nairobi', world.anchorBody('amina', 'b'), { validUntil: next })
  assert.is(world.run(later, { timeMs: next }).code, 'ok')
  assert.equal(world.read(quotaCodec, stateKey.sponsorQuota(account('nairobi'))), { hour: next / HOUR, used: 1 })
})

test('a folder has its own bucket for what needs no sponsor', () => {
  const world = withFolder()
  const rotate = (i: number, sponsor?: string) => {
    const body = act('folders.rotate', rotateFolderCodec, { ownerKeyHash: ownerHash('amina'), recoveryKeyHash: hashOf(`${i}`) })
    return world.byFolder('amina', body, sponsor === undefined ? {} : { sponsor })
  }
  for (let i = 0; i < 16; i++) assert.is(world.run(rotate(i)).code, 'ok')
  refuses(world, rotate(16), 'over-folder-quota')
  assert.is(world.run(rotate(17, 'berlin')).code, 'ok', 'a sponsor that is named is charged instead')
  assert.is(world.read(quotaCodec, stateKey.folderBucket(world.folder('amina')))?.used, 16)
})

test('an act that fails draws on the quota of who was proven to do it, and what proves nobody draws on none', () => {
  const world = withFolder()
  const used = () => [
    world.read(quotaCodec, stateKey.sponsorQuota(account('nairobi')))?.used ?? 0,
    world.read(quotaCodec, stateKey.folderBucket(world.folder('amina')))?.used ?? 0,
  ]
  const [member, bucket] = used() as [number, number]
  assert.is(world.run(world.byMember('nairobi', world.anchorBody('amina', 's', { epoch: 9 }))).code, 'stale-epoch')
  assert.is(world.run(world.byMember('nairobi', world.openBody('amina', hashOf('none')))).code, 'not-found')
  assert.is(world.run(world.byFolder('amina', world.grantBody('c', { epoch: 9 }), { sponsor: 'nairobi' })).code, 'stale-epoch')
  assert.equal(used(), [member + 3, bucket])
  assert.is(world.run(world.byFolder('amina', revokeBody(world, 'amina', 'none'))).code, 'not-found')
  assert.is(world.run(world.byFolder('amina', revokeBody(world, 'amina', 'none'), { sponsor: 'nairobi' })).code, 'not-found')
  assert.equal(used(), [member + 4, bucket + 1])
  assert.is(world.run(world.byFolder('amina', revokeBody(world, 'amina', 'none'), { signer: 'mallory' })).code, 'unknown-owner')
  assert.is(
    world.run(createTransaction(world.byMember('nairobi', world.anchorBody('amina', 's')).content, keyOf('mallory'))).code,
    'wrong-key',
  )
  assert.is(world.run(world.byMember('nairobi', { contract: 'records', action: 'anchor', body: new Uint8Array() })).code, 'malformed')
  assert.equal(used(), [member + 4, bucket + 1])
})

test('failed acts of one folder end with its bucket, within a block too', () => {
  const world = withFolder({ folderQuota: 3 })
  const revocations = Array.from({ length: 8 }, (_, i) => world.byFolder('amina', revokeBody(world, 'amina', `${i}`)))
  assert.equal(
    world.block(revocations).receipts.map(({ code }) => code),
    [...Array(3).fill('not-found'), ...Array(5).fill('over-folder-quota')],
  )
  refuses(world, world.byFolder('amina', revokeBody(world, 'amina', 'later')), 'over-folder-quota')
})

test('a failed act that others send again costs its author nothing more', () => {
  const world = withFolder()
  const failed = world.byFolder('amina', revokeBody(world, 'amina', 'none'))
  const byMember = world.byMember('berlin', world.openBody('amina', hashOf('none')))
  assert.equal(
    world.block([failed, byMember, failed, byMember]).receipts.map(({ code }) => code),
    ['not-found', 'not-found', 'seen', 'seen'],
  )
  refuses(world, failed, 'seen')
  refuses(world, byMember, 'seen')
})

test('a failed transaction between two good ones leaves no trace but its cost', () => {
  const one = withFolder()
  const other = withFolder()
  const block = (world: World, withBad: boolean) => {
    const good = [world.byMember('nairobi', world.anchorBody('amina', 'a')), world.byMember('nairobi', world.anchorBody('amina', 'b'))]
    const bad = [
      world.byMember('nairobi', world.anchorBody('amina', 'c', { memberHeight: 3 })),
      world.byMember('berlin', world.openBody('amina', hashOf('none'))),
    ]
    return world.block(withBad ? [good[0]!, ...bad, good[1]!] : good)
  }
  const clean = block(one, false)
  const mixed = block(other, true)
  const lasting = (changes: readonly StateChange[]) => changes.filter(change => !isQuota(change))
  assert.equal(lasting(mixed.changes), lasting(clean.changes))
  const used = (world: World, member: string) => world.read(quotaCodec, stateKey.sponsorQuota(account(member)))?.used ?? 0
  assert.equal([used(one, 'nairobi'), used(one, 'berlin')], [3, 0])
  assert.equal([used(other, 'nairobi'), used(other, 'berlin')], [4, 1])
  assert.equal(
    mixed.receipts.map(({ code }) => code),
    ['ok', 'stale-members', 'not-found', 'ok'],
  )
})

test('later transactions of a block see what earlier ones did', () => {
  const world = new World()
  const result = world.block([
    world.create('nairobi', 'amina'),
    world.byFolder('amina', world.grantBody('c'), { sponsor: 'nairobi' }),
    world.byMember('berlin', world.openBody('amina', world.consent('amina', 'c'))),
    world.byFolder('amina', revokeBody(world, 'amina', 'c')),
    world.byMember('berlin', world.openBody('amina', world.consent('amina', 'c'))),
  ])
  assert.equal(
    result.receipts.map(({ code }) => code),
    ['ok', 'ok', 'ok', 'ok', 'not-found'],
  )
  const events = result.receipts.flatMap(receipt => receipt.events)
  assert.equal(
    events.map(({ name, index }) => [name, index]),
    [
      ['folders.created', 1],
      ['consents.granted', 2],
      ['access.opened', 3],
      ['consents.revoked', 4],
    ],
  )
  assert.ok(events.every(({ subject }) => compareBytes(subject, world.folder('amina')) === 0))
  assert.is(world.read(counterCodec, stateKey.folderEvents(world.folder('amina'))), 4)
  assert.equal(decodeEventData('consents.revoked', events[3]!.data), { consent: world.consent('amina', 'c') })
  for (const receipt of result.receipts) assert.equal(receiptCodec.decode(receiptCodec.encode(receipt)), receipt)
})

test('changes are sorted, each key once, and repeat nothing that was undone', () => {
  const world = new World()
  const created = world.create('nairobi', 'amina')
  const rotate = world.byFolder(
    'amina',
    act('folders.rotate', rotateFolderCodec, { ownerKeyHash: ownerHash('bela'), recoveryKeyHash: hashOf('r') }),
  )
  const { changes } = world.preview([created, rotate])
  for (let i = 1; i < changes.length; i++) assert.is(compareBytes(changes[i - 1]!.key, changes[i]!.key), -1)
  assert.not.ok(
    changes.some(({ value }) => value === null),
    'the owner key that came and went was never in the state',
  )
})

test('an empty block changes nothing', () => {
  const world = new World()
  const { changes, receipts, logItems, validators } = world.preview([])
  assert.equal([changes, receipts, logItems], [[], [], []])
  assert.equal(validators, world.read(validatorsCodec, stateKey.validators()))
})

test('what travelled as bytes executes the same', () => {
  const one = new World()
  const other = new World()
  const transaction = one.create('nairobi', 'amina')
  other.block([decodeTransaction(transaction.bytes)])
  one.block([transaction])
  assert.equal(one.state.root, other.state.root)
})

test('a broken state stops the node and becomes no receipt', () => {
  const world = withFolder()
  const broken = world.state.apply([{ key: accountKey('nairobi'), value: Uint8Array.of(0xff) }])
  const input = {
    chainId: world.chainId,
    height: 2,
    time: world.timeMs + 1000,
    transactions: [{ transaction: world.byMember('nairobi', world.anchorBody('amina', 's')), signaturesValid: true }],
    seen: () => false,
  }
  assert.throws(
    () => executeBlock({ ...input, state: broken }),
    (error: unknown) => error instanceof MalformedError,
  )
  assert.throws(() => executeBlock({ ...input, state: { get: () => undefined } }), /did not start from genesis/)
  const failing = {
    get: (key: Uint8Array) => {
      if (compareBytes(key, accountKey('nairobi')) === 0) throw new RangeError('disk')
      return world.state.get(key)
    },
  }
  assert.throws(
    () => executeBlock({ ...input, state: failing }),
    (error: unknown) => error instanceof RangeError,
  )
})

test('what goes first', () => {
  const world = new World()
  const folder = { kind: 'folder', id: hashOf('f') } as const
  const priority = (from: { kind: 'folder' | 'account'; id: Uint8Array }, contract: string, action: string) =>
    isPriority(world.content(from, { contract, action, body: new Uint8Array() }, null, {}))
  const urgent = [
    'consents.revoke',
    'consents.rewrap',
    'records.erase',
    'folders.rotate',
    'folders.advance',
    'recovery.start',
    'recovery.veto',
  ]
  for (const name of urgent) {
    const [contract, action] = name.split('.') as [string, string]
    assert.ok(priority(folder, contract, action), name)
    assert.not.ok(priority({ kind: 'account', id: hashOf('a') }, contract, action), name)
  }
  for (const name of [
    'consents.grant',
    'records.anchor',
    'folders.create',
    'access.open',
    'members.vote',
    'nothing.revoke',
    'consents.get',
  ]) {
    const [contract, action] = name.split('.') as [string, string]
    assert.not.ok(priority(folder, contract, action), name)
  }
})

test.run()
