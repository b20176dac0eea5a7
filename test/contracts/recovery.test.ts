/** Recovery on the ledger: a pending rotation, one objection, and what a thief of either key can and cannot do. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { revokeBodyCodec } from '../../src/contracts/consents-formats.ts'
import { isPriority } from '../../src/contracts/contract-registry.ts'
import { decodeEventData, isEventName } from '../../src/contracts/events.ts'
import { advanceFolderCodec, folderCodec, ownerCodec, rotateFolderCodec } from '../../src/contracts/folders-formats.ts'
import { genesisChanges } from '../../src/contracts/members.ts'
import { eraseBodyCodec } from '../../src/contracts/records-formats.ts'
import {
  recoveryCodec,
  recoveryKeyCodec,
  rekeyRecoveryCodec,
  settleRecoveryCodec,
  startRecoveryCodec,
} from '../../src/contracts/recovery-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { recoveryKeyHash } from '../../src/crypto/wallet.ts'
import type { Transaction } from '../../src/ledger/transaction.ts'
import { act, DAY, genesisOf, HOUR, hashOf, isQuota, keyOf, leavesOf, ownerHash, sealingKey, World } from './world.ts'

const test = suite('recovery')

const FIRST = 72 * HOUR
const SECOND = 14 * DAY
const recoveryHash = (name: string) => recoveryKeyHash(keyOf(name).publicKey)

function withFolder(): World {
  const world = new World()
  assert.is(world.run(world.create('nairobi', 'amina')).code, 'ok')
  return world
}

function ok(world: World, transaction: Transaction, timeMs?: number): string[] {
  const receipt = world.run(transaction, timeMs === undefined ? {} : { timeMs })
  assert.is(receipt.code, 'ok')
  for (const { name, data } of receipt.events) if (isEventName(name)) decodeEventData(name, data)
  return receipt.events.map(({ name }) => name)
}

function refused(world: World, transaction: Transaction, code: string, timeMs?: number): void {
  const { receipts, changes } = world.preview([transaction], timeMs === undefined ? {} : { timeMs })
  assert.equal([receipts[0]?.code, changes.length], [code, leavesOf(code)])
  assert.ok(changes.every(isQuota), `${code} leaves all but the quota as it was`)
}

const valid = (world: World, timeMs: number) => ({ changes: { validUntil: Math.max(timeMs, world.timeMs) + 60_000 } })
const byRecovery = (world: World, body: ReturnType<typeof act>, timeMs = world.timeMs, signer = 'amina recovery') =>
  world.byFolder('amina', body, { signer, ...valid(world, timeMs) })
const byOwner = (world: World, body: ReturnType<typeof act>, timeMs = world.timeMs, signer = 'amina') =>
  world.byFolder('amina', body, { signer, ...valid(world, timeMs) })
const start = (to: string) =>
  act('recovery.start', startRecoveryCodec, { ownerKeyHash: ownerHash(to), recoveryKeyHash: recoveryHash(`${to} recovery`) })
const settle = (action: 'veto' | 'cancel' | 'finish', to: string) =>
  act(`recovery.${action}`, settleRecoveryCodec, { ownerKeyHash: ownerHash(to) })
const rekey = (name: string) => act('recovery.rekey', rekeyRecoveryCodec, { recoveryKeyHash: recoveryHash(name) })
const rotate = (owner: string, recovery: string) =>
  act('folders.rotate', rotateFolderCodec, { ownerKeyHash: ownerHash(owner), recoveryKeyHash: recoveryHash(recovery) })
const folderOf = (world: World) => world.read(folderCodec, stateKey.folder(world.folder('amina')))
const recordOf = (world: World) => world.read(recoveryCodec, stateKey.recovery(world.folder('amina')))
const leads = (world: World, name: string) => world.read(recoveryKeyCodec, stateKey.recoveryKey(recoveryHash(name)))

test('start, wait, finish: other keys are in force, and the old ones lead nowhere', () => {
  const world = withFolder()
  const id = world.folder('amina')
  assert.equal(leads(world, 'amina recovery'), id, 'the recovery key finds the folder')
  assert.equal(ok(world, byRecovery(world, start('new'))), ['recovery.started'])
  const ends = world.timeMs + FIRST
  assert.equal(recordOf(world)?.pending, {
    ownerKeyHash: ownerHash('new'),
    recoveryKeyHash: recoveryHash('new recovery'),
    ends,
    isFinal: false,
  })
  assert.equal(ok(world, byRecovery(world, start('new'))), [], 'the same again does not begin the wait anew')
  assert.is(recordOf(world)?.pending?.ends, ends)
  refused(world, byRecovery(world, settle('finish', 'new'), ends), 'too-early', ends - 1)
  assert.equal(ok(world, byRecovery(world, settle('finish', 'new'), ends), ends), ['recovery.finished'])
  const folder = folderOf(world)
  assert.equal([folder?.ownerKeyHash, folder?.recoveryKeyHash], [ownerHash('new'), recoveryHash('new recovery')])
  assert.equal(world.read(ownerCodec, stateKey.owner(ownerHash('new'))), id)
  assert.is(world.read(ownerCodec, stateKey.owner(ownerHash('amina'))), undefined)
  assert.equal([leads(world, 'amina recovery'), leads(world, 'new recovery')], [undefined, id])
  assert.is(recordOf(world), undefined, 'nothing is left of it')
  refused(world, byOwner(world, rotate('cora', 'new recovery')), 'unknown-owner')
  refused(world, byRecovery(world, start('other')), 'unknown-owner')
  assert.equal(ok(world, byOwner(world, rotate('cora', 'new recovery'), world.timeMs, 'new')), ['folders.rotated'])
})

test('the new owner key may finish, and do nothing else before', () => {
  const world = withFolder()
  ok(world, byRecovery(world, start('new')))
  const ends = recordOf(world)?.pending?.ends as number
  refused(world, byOwner(world, settle('veto', 'new'), world.timeMs, 'new'), 'unknown-owner')
  refused(world, byOwner(world, settle('cancel', 'new'), world.timeMs, 'new'), 'unknown-owner')
  refused(world, byOwner(world, rotate('new', 'x'), world.timeMs, 'new'), 'unknown-owner')
  refused(world, byOwner(world, settle('finish', 'new'), ends, 'amina'), 'unknown-owner', ends)
  refused(world, byOwner(world, settle('finish', 'new'), ends, 'stranger'), 'unknown-owner', ends)
  assert.equal(ok(world, byOwner(world, settle('finish', 'new'), ends, 'new'), ends), ['recovery.finished'])
})

test('who may do what', () => {
  const world = withFolder()
  refused(world, byOwner(world, start('new')), 'unknown-owner')
  refused(world, byOwner(world, rekey('x')), 'unknown-owner')
  refused(world, byRecovery(world, rotate('x', 'y')), 'unknown-owner')
  refused(world, world.byMember('nairobi', start('new')), 'not-allowed')
  for (const action of ['veto', 'cancel', 'finish'] as const) {
    const sent = action === 'veto' ? byOwner : byRecovery
    refused(world, sent(world, settle(action, 'new')), 'not-found')
  }
  ok(world, byRecovery(world, start('new')))
  refused(world, byRecovery(world, settle('veto', 'new')), 'unknown-owner')
  refused(world, byOwner(world, settle('cancel', 'new')), 'unknown-owner')
  refused(world, byOwner(world, settle('veto', 'other')), 'not-found')
  refused(world, byRecovery(world, start('other')), 'recovery-pending')
})

test('cancel: everything as it was, and the next one is like the first', () => {
  const world = withFolder()
  ok(world, byRecovery(world, start('new')))
  assert.equal(ok(world, byRecovery(world, settle('cancel', 'new'))), ['recovery.cancelled'])
  assert.equal([recordOf(world), world.read(ownerCodec, stateKey.owner(ownerHash('new')))], [undefined, undefined])
  ok(world, byRecovery(world, start('new')))
  assert.is(recordOf(world)?.pending?.isFinal, false)
})

test('a thief with the phone objects once; the second recovery waits longer and comes through', () => {
  const world = withFolder()
  ok(world, byRecovery(world, start('new')))
  assert.equal(ok(world, byOwner(world, settle('veto', 'new'))), ['recovery.vetoed'])
  assert.equal(recordOf(world), { vetoed: true, pending: null, announced: null })
  ok(world, byRecovery(world, start('new')))
  const { ends, isFinal } = recordOf(world)?.pending ?? { ends: 0, isFinal: false }
  assert.equal([ends, isFinal], [world.timeMs + SECOND, true])
  refused(world, byOwner(world, settle('veto', 'new')), 'veto-used')
  refused(world, byOwner(world, rotate('thief', 'amina recovery')), 'recovery-pending')
  refused(world, byRecovery(world, settle('finish', 'new'), ends), 'too-early', ends - 1)
  ok(world, byRecovery(world, settle('finish', 'new'), ends), ends)
  assert.equal(folderOf(world)?.ownerKeyHash, ownerHash('new'))
  // The new owner has not objected to anything yet.
  ok(world, byRecovery(world, start('third'), world.timeMs, 'new recovery'))
  assert.is(recordOf(world)?.pending?.isFinal, false)
})

test('a thief that puts another owner key in place delays nothing', () => {
  const world = withFolder()
  ok(world, byOwner(world, rotate('thief', 'amina recovery')))
  assert.equal(leads(world, 'amina recovery'), world.folder('amina'))
  ok(world, byRecovery(world, start('new')))
  const ends = recordOf(world)?.pending?.ends as number
  ok(world, byRecovery(world, settle('finish', 'new'), ends), ends)
  assert.equal(folderOf(world)?.ownerKeyHash, ownerHash('new'))
  assert.is(world.read(ownerCodec, stateKey.owner(ownerHash('thief'))), undefined)
})

test('cancelling after an objection does not give the owner another one', () => {
  const world = withFolder()
  ok(world, byRecovery(world, start('new')))
  ok(world, byOwner(world, settle('veto', 'new')))
  ok(world, byRecovery(world, start('new')))
  ok(world, byRecovery(world, settle('cancel', 'new')))
  ok(world, byRecovery(world, start('new')))
  refused(world, byOwner(world, settle('veto', 'new')), 'veto-used')
})

test('while it is open whose folder it is, nothing is granted, erased or rotated; revoking goes on', () => {
  const world = withFolder()
  ok(world, world.byFolder('amina', world.grantBody('before'), { sponsor: 'berlin' }))
  ok(world, byRecovery(world, start('new')))
  const advance = act('folders.advance', advanceFolderCodec, {
    ...{ epoch: 0, sealingKey: sealingKey('x'), previousKeyHash: hashOf('p') },
    ...{ revoke: [], rewraps: [] },
  })
  refused(world, world.byFolder('amina', world.grantBody('after'), { sponsor: 'berlin' }), 'recovery-pending')
  refused(world, byOwner(world, advance), 'recovery-pending')
  refused(world, byOwner(world, rotate('thief', 'amina recovery')), 'recovery-pending')
  refused(world, byOwner(world, act('records.erase', eraseBodyCodec, { marks: [hashOf('m')] })), 'recovery-pending')
  refused(world, byRecovery(world, rekey('other')), 'recovery-pending')
  assert.equal(ok(world, world.byFolder('amina', world.grantBody('before'), { sponsor: 'berlin' })), [], 'what is granted already is')
  const revoke = act('consents.revoke', revokeBodyCodec, { consent: world.consent('amina', 'before') })
  assert.equal(ok(world, byOwner(world, revoke)), ['consents.revoked'])
  assert.equal(ok(world, world.byMember('nairobi', world.anchorBody('amina', 's'))), ['records.anchored'], 'the author goes on writing')
  ok(world, byOwner(world, settle('veto', 'new')))
  ok(world, world.byFolder('amina', world.grantBody('after'), { sponsor: 'berlin' }))
})

test('what nobody finishes lapses, and freezes no longer', () => {
  const world = withFolder()
  ok(world, byRecovery(world, start('new')))
  const lapse = (recordOf(world)?.pending?.ends as number) + SECOND
  refused(world, byOwner(world, rotate('cora', 'amina recovery'), lapse), 'recovery-pending', lapse - 1)
  refused(world, byRecovery(world, settle('finish', 'new'), lapse), 'not-found', lapse)
  assert.equal(ok(world, byRecovery(world, start('other'), lapse), lapse), ['recovery.started'])
  assert.is(world.read(ownerCodec, stateKey.owner(ownerHash('new'))), undefined, 'the key that was kept for it is free')
  ok(world, byRecovery(world, settle('cancel', 'other')))
  ok(world, byOwner(world, rotate('cora', 'amina recovery')))
})

test('the owner alone changes the recovery key after the long wait, and a recovery by the present one stops it', () => {
  const world = withFolder()
  assert.equal(ok(world, byOwner(world, rotate('amina', 'thief'))), ['recovery.announced'])
  const due = recordOf(world)?.announced?.due as number
  assert.is(due, world.timeMs + SECOND)
  assert.equal(ok(world, byOwner(world, rotate('amina', 'thief'))), [], 'saying it again does not hasten or delay it')
  assert.equal(folderOf(world)?.recoveryKeyHash, recoveryHash('amina recovery'))
  refused(world, byRecovery(world, start('x'), world.timeMs, 'thief'), 'unknown-owner')
  ok(world, byRecovery(world, start('new')))
  assert.is(recordOf(world)?.announced, null)
  ok(world, byOwner(world, settle('veto', 'new')))
  // Announced again, it waits anew; the second recovery drops it again, and is not to be vetoed.
  ok(world, byOwner(world, rotate('amina', 'thief'), due), due)
  assert.equal(folderOf(world)?.recoveryKeyHash, recoveryHash('amina recovery'))
  ok(world, byRecovery(world, start('new')))
  const ends = recordOf(world)?.pending?.ends as number
  ok(world, byRecovery(world, settle('finish', 'new'), ends), ends)
  assert.equal(folderOf(world)?.recoveryKeyHash, recoveryHash('new recovery'))
})

test('where nobody objects by the present recovery key, the announced one comes', () => {
  const world = withFolder()
  ok(world, byRecovery(world, start('new')))
  ok(world, byOwner(world, settle('veto', 'new')))
  ok(world, byOwner(world, rotate('amina', 'better')))
  const due = recordOf(world)?.announced?.due as number
  assert.equal(ok(world, byOwner(world, rotate('amina', 'better'), due), due - 1), [])
  assert.equal(ok(world, byOwner(world, rotate('amina', 'better'), due), due), ['folders.rotated'])
  assert.equal([folderOf(world)?.recoveryKeyHash, recordOf(world)], [recoveryHash('better'), undefined])
  assert.equal(leads(world, 'better'), world.folder('amina'))
  ok(world, byOwner(world, rotate('amina', 'worse')))
  assert.equal(ok(world, byOwner(world, rotate('amina', 'better'))), [], 'the present one again takes it back')
  assert.is(recordOf(world), undefined)
})

test('who holds the recovery key changes it at once', () => {
  const world = withFolder()
  ok(world, byOwner(world, rotate('amina', 'thief')))
  assert.equal(ok(world, byRecovery(world, rekey('better'))), ['recovery.rekeyed'])
  assert.equal([folderOf(world)?.recoveryKeyHash, recordOf(world)], [recoveryHash('better'), undefined])
  assert.equal(leads(world, 'better'), world.folder('amina'))
  assert.equal(ok(world, byRecovery(world, rekey('better'), world.timeMs, 'better')), [])
  refused(world, byRecovery(world, rekey('other')), 'unknown-owner')
})

test('a new owner key must be free, stays kept, and cannot be taken by somebody else meanwhile', () => {
  const world = withFolder()
  ok(world, world.create('nairobi', 'bela'))
  refused(world, byRecovery(world, start('bela')), 'exists')
  refused(world, byRecovery(world, start('amina')), 'exists')
  ok(world, byRecovery(world, start('new')))
  refused(world, world.create('berlin', 'new'), 'exists')
  refused(world, world.byFolder('bela', rotate('new', 'bela recovery'), { signer: 'bela' }), 'exists')
})

test('a recovery key that another folder names first leads to that one, and still acts for both', () => {
  const world = withFolder()
  ok(world, world.create('berlin', 'copy', { recoveryKeyHash: recoveryHash('amina recovery') }))
  assert.equal(leads(world, 'amina recovery'), world.folder('amina'))
  ok(world, world.byFolder('copy', start('mine'), { signer: 'amina recovery' }))
  ok(world, byRecovery(world, start('new')))
})

test('the recovery key has a bucket of its own: who uses up the folder with the owner key does not stop it', () => {
  const world = withFolder()
  for (let i = 0; i < 16; i++) assert.is(world.run(byOwner(world, rotate('amina', `r${i}`))).code, 'ok')
  refused(world, byOwner(world, rotate('amina', 'r')), 'over-folder-quota')
  ok(world, byRecovery(world, start('new')))
  for (let i = 0; i < 15; i++) assert.is(world.run(byRecovery(world, start('new'))).code, 'ok')
  refused(world, byRecovery(world, start('new')), 'over-folder-quota')
  const { content } = byRecovery(world, start('new'))
  assert.ok(isPriority(content), 'and goes first')
})

test('genesis: the wait that cannot be vetoed is not the shorter one', () => {
  assert.throws(() => genesisChanges(genesisOf({}, { recoveryWaitMs: 2000, recoverySecondWaitMs: 1000 })), /cannot be vetoed/)
  genesisChanges(genesisOf({}, { recoveryWaitMs: 1000, recoverySecondWaitMs: 1000 }))
})

test.run()
