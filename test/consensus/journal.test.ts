import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Tip } from '../../src/consensus/application.ts'
import type { LockState } from '../../src/consensus/effects.ts'
import { type Journal, openJournal } from '../../src/consensus/journal.ts'
import type { UnsignedVote } from '../../src/consensus/messages.ts'
import { nodeDisk } from '../../src/consensus/node-disk.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { headerHash } from '../../src/ledger/header.ts'
import { chainId, genesis, headerOn, testKeys, validatorSet } from './network.ts'

const test = suite<{ dir: string }>('consensus journal')
const key = testKeys(1)[0]!
const tip = genesis(validatorSet([key]))
const UNLOCKED: LockState = { lockedRound: -1, lockedBlock: null, validRound: -1, validBlock: null }
const block = sha256(Uint8Array.of(1))

test.before.each(context => {
  context.dir = mkdtempSync(join(tmpdir(), 'epione-journal-'))
})
test.after.each(context => rmSync(context.dir, { recursive: true, force: true }))

function open(dir: string, at: Tip = tip, voteDespiteLostLog?: number): Journal {
  return openJournal({ disk: nodeDisk(dir), chainId, key, voteDespiteLostLog }, at)
}

function prevote(height: number, of: Uint8Array | null): UnsignedVote {
  return { kind: 'prevote', height, round: 0, block: of, validator: key.publicKey }
}

/** Signs, logs and syncs a prevote, as the engine does. */
async function sign(journal: Journal, height = 1): Promise<void> {
  journal.log({ type: 'votes', value: [journal.signVote(prevote(height, block), UNLOCKED)] })
  await journal.sync()
}

function refused(journal: Journal): boolean {
  try {
    journal.signVote(prevote(1, null), UNLOCKED)
    return false
  } catch (error) {
    return errorCode(error) === 'double-sign-refused'
  }
}

test('what one life logged, the next one reads; it may vote and will not contradict itself', async ({ dir }) => {
  const first = open(dir)
  await sign(first)
  first.close()
  const second = open(dir)
  assert.is(second.inputs.length, 1)
  assert.is(second.silentThrough, -1)
  assert.ok(refused(second))
  second.close()
})

test('a guard that is gone is made again from the log', async ({ dir }) => {
  const first = open(dir)
  await sign(first)
  first.close()
  rmSync(join(dir, 'guard'))
  const second = open(dir)
  assert.is(second.silentThrough, -1)
  assert.ok(refused(second))
  second.close()
})

test('no amnesia: a log that is gone for a height that was signed in means silence there', async ({ dir }) => {
  const first = open(dir)
  await sign(first)
  first.close()
  rmSync(join(dir, 'wal'))
  const second = open(dir)
  assert.is(second.lost, 'wal-missing')
  assert.is(second.silentThrough, 1)
  second.close()
})

test('silence lasts while the log of the silent height stays lost, over further restarts', async ({ dir }) => {
  const first = open(dir)
  await sign(first)
  first.close()
  rmSync(join(dir, 'wal'))
  for (let restart = 0; restart < 3; restart++) {
    const next = open(dir)
    assert.is(next.silentThrough, 1, `restart ${restart}`)
    await next.sync()
    next.close()
  }
})

test('with guard and log gone on a chain that has blocks, the first height is silent, over restarts, and the next is not', async ({
  dir,
}) => {
  const at = (parent: Tip): Tip => {
    const header = headerOn(parent, key.publicKey, parent.header.time + 1, [])
    return { header, hash: headerHash(header), validators: tip.validators }
  }
  const [one, two] = [at(tip), at(at(tip))]
  for (let restart = 0; restart < 2; restart++) {
    const journal = open(dir, one)
    assert.is(journal.silentThrough, 2, `restart ${restart}`)
    journal.close()
  }
  // The log's first entry never reached the disk, the guard did.
  rmSync(join(dir, 'wal'))
  const journal = open(dir, one)
  assert.is(journal.silentThrough, 2)
  journal.close()
  const next = open(dir, two)
  assert.is(next.silentThrough, -1)
  next.close()
  rmSync(dir, { recursive: true })
  const young = open(dir)
  assert.is(young.silentThrough, -1, 'at the start of a chain nobody has signed anything')
  young.close()
})

test('a restored older store means silence up to the height that was signed last', async ({ dir }) => {
  const header = headerOn(tip, key.publicKey, tip.header.time + 1, [])
  const first = open(dir)
  first.enter({ header, hash: headerHash(header), validators: tip.validators })
  await sign(first, 2)
  first.close()
  const second = open(dir)
  assert.is(second.silentThrough, 2)
  second.close()
})

test('a log of a stored height is not replayed, and the next height is voted for', async ({ dir }) => {
  const first = open(dir)
  await sign(first)
  first.close()
  const header = headerOn(tip, key.publicKey, tip.header.time + 1, [])
  const second = open(dir, { header, hash: headerHash(header), validators: tip.validators })
  assert.equal(second.inputs, [])
  assert.is(second.silentThrough, -1)
  await sign(second, 2)
  second.close()
})

test('the operator may accept the risk for one height', async ({ dir }) => {
  const first = open(dir)
  await sign(first)
  first.close()
  rmSync(join(dir, 'wal'))
  const second = open(dir, tip, 1)
  assert.is(second.silentThrough, -1)
  assert.ok(refused(second), 'the guard binds all the same')
  second.close()
})

test.run()
