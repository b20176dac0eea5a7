import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { LockState } from '../../src/consensus/effects.ts'
import { SigningGuard, type SigningPlace, STEP } from '../../src/consensus/guard.ts'
import { openNodeFile } from '../../src/consensus/node-disk.ts'
import { utf8 } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { testKeys } from './network.ts'

const test = suite<{ path: string; dir: string }>('signing guard')
const key = testKeys(1)[0]!
const UNLOCKED: LockState = { lockedRound: -1, lockedBlock: null, validRound: -1, validBlock: null }

test.before.each(context => {
  context.dir = mkdtempSync(join(tmpdir(), 'epione-guard-'))
  context.path = join(context.dir, 'guard')
})
test.after.each(context => rmSync(context.dir, { recursive: true, force: true }))

const at = (height: number, round: number, step: number): SigningPlace => ({ height, round, step })

function attempt(guard: SigningGuard, place: SigningPlace, text: string): string {
  try {
    guard.sign(place, utf8(text), UNLOCKED, message => key.sign(message))
    return 'signed'
  } catch (error) {
    return errorCode(error)
  }
}

test('places go up; every regression is refused', ({ path }) => {
  const guard = SigningGuard.open(openNodeFile(path))
  for (const place of [at(0, 0, 0), at(1, 0, STEP.proposal), at(1, 0, STEP.prevote), at(1, 0, STEP.precommit), at(1, 1, 1), at(2, 0, 1)]) {
    assert.is(attempt(guard, place, 'a'), 'signed')
  }
  assert.is(attempt(guard, at(3, 4, STEP.prevote), 'here'), 'signed')
  for (const place of [at(2, 9, 2), at(3, 3, 2), at(3, 4, STEP.proposal), at(0, 0, 0)]) {
    assert.is(attempt(guard, place, 'x'), 'double-sign-refused')
  }
  guard.close()
})

test('the same place gives the stored signature for identical bytes alone', ({ path }) => {
  const guard = SigningGuard.open(openNodeFile(path))
  const place = at(5, 0, STEP.precommit)
  const first = guard.sign(place, utf8('block'), UNLOCKED, message => key.sign(message))
  const stored = guard.sign(place, utf8('block'), UNLOCKED, () => assert.unreachable('nothing is signed again') as never)
  assert.equal(stored, first)
  assert.is(attempt(guard, place, 'other'), 'double-sign-refused')
  guard.close()
})

test('what was synced binds the next life, with lock and valid value', async ({ path }) => {
  const guard = SigningGuard.open(openNodeFile(path))
  assert.ok(guard.created)
  const lock: LockState = { lockedRound: 2, lockedBlock: sha256(utf8('v')), validRound: 2, validBlock: sha256(utf8('v')) }
  guard.sign(at(7, 2, STEP.precommit), utf8('block'), lock, message => key.sign(message))
  await guard.sync()
  guard.close()
  const next = SigningGuard.open(openNodeFile(path))
  assert.not(next.created)
  assert.is(next.last.lockedRound, 2)
  assert.equal(next.last.lockedBlock, lock.lockedBlock)
  assert.equal(next.last.validBlock, lock.validBlock)
  assert.is(attempt(next, at(7, 2, STEP.prevote), 'x'), 'double-sign-refused')
  assert.is(attempt(next, at(7, 2, STEP.precommit), 'block'), 'signed')
  assert.is(attempt(next, at(7, 3, STEP.prevote), 'x'), 'signed')
  next.close()
})

test('a crash in the middle of any write leaves the record before it', async ({ path }) => {
  const guard = SigningGuard.open(openNodeFile(path))
  for (let round = 0; round < 4; round++) {
    guard.sign(at(1, round, STEP.prevote), utf8(`r${round}`), UNLOCKED, message => key.sign(message))
    await guard.sync()
  }
  const before = readFileSync(path)
  guard.sign(at(1, 4, STEP.prevote), utf8('r4'), UNLOCKED, message => key.sign(message))
  await guard.sync()
  guard.close()
  const after = readFileSync(path)
  let torn = 0
  for (let cut = 0; cut <= after.length; cut += 97) {
    const bytes = Uint8Array.from(before)
    bytes.set(after.subarray(0, cut))
    writeFileSync(path, bytes)
    const next = SigningGuard.open(openNodeFile(path))
    if (next.last.round === 3) torn++
    else assert.is(next.last.round, 4)
    assert.is(attempt(next, at(1, 3, STEP.prevote), 'changed'), 'double-sign-refused')
    next.close()
  }
  assert.ok(torn > 0, 'some cuts hit the write')
})

test('with both slots damaged nothing is signed', async ({ path }) => {
  const guard = SigningGuard.open(openNodeFile(path))
  guard.sign(at(1, 0, 1), utf8('a'), UNLOCKED, message => key.sign(message))
  await guard.sync()
  guard.close()
  const bytes = readFileSync(path)
  bytes[20]! ^= 1
  bytes[4096 + 20]! ^= 1
  writeFileSync(path, bytes)
  try {
    SigningGuard.open(openNodeFile(path))
    assert.unreachable('a damaged guard must not open')
  } catch (error) {
    assert.is(errorCode(error), 'guard-corrupt')
  }
})

test('a creation that was cut off is a creation', ({ path }) => {
  writeFileSync(path, new Uint8Array(100))
  const guard = SigningGuard.open(openNodeFile(path))
  assert.ok(guard.created)
  guard.close()
})

test('the log teaches a guard whose newest slot is lost', async ({ path }) => {
  const guard = SigningGuard.open(openNodeFile(path))
  guard.sign(at(1, 0, STEP.prevote), utf8('a'), UNLOCKED, message => key.sign(message))
  guard.observe(at(1, 0, STEP.precommit), utf8('b'), key.sign(utf8('b')))
  guard.observe(at(1, 0, STEP.proposal), utf8('older'), key.sign(utf8('older')))
  await guard.sync()
  guard.close()
  const next = SigningGuard.open(openNodeFile(path))
  assert.is(attempt(next, at(1, 0, STEP.precommit), 'other'), 'double-sign-refused')
  assert.is(attempt(next, at(1, 0, STEP.precommit), 'b'), 'signed')
  next.close()
})

test.run()
