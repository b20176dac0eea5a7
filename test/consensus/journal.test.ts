import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Tip } from '../../src/consensus/application.ts'
import type { DurableFile } from '../../src/consensus/disk.ts'
import type { LockState } from '../../src/consensus/effects.ts'
import { hasNoPast, type Journal, openJournal } from '../../src/consensus/journal.ts'
import type { UnsignedVote } from '../../src/consensus/messages.ts'
import { nodeDisk } from '../../src/consensus/node-disk.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { headerHash } from '../../src/ledger/header.ts'
import { memoryFile } from './memory-file.ts'
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

function loseLogs(dir: string): void {
  for (const name of ['wal-0', 'wal-1']) rmSync(join(dir, name))
}

function after(parent: Tip): Tip {
  const header = headerOn(parent, key.publicKey, parent.header.time + 1, [])
  return { header, hash: headerHash(header), validators: tip.validators }
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
  loseLogs(dir)
  const second = open(dir)
  assert.is(second.lost, 'wal-missing')
  assert.is(second.silentThrough, 1)
  second.close()
})

test('silence lasts while the log of the silent height stays lost, over further restarts', async ({ dir }) => {
  const first = open(dir)
  await sign(first)
  first.close()
  loseLogs(dir)
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
  const [one, two] = [after(tip), after(after(tip))]
  for (let restart = 0; restart < 2; restart++) {
    const journal = open(dir, one)
    assert.is(journal.silentThrough, 2, `restart ${restart}`)
    journal.close()
  }
  // The log's first entry never reached the disk, the guard did.
  loseLogs(dir)
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
  const first = open(dir)
  first.enter(after(tip))
  await sign(first, 2)
  first.close()
  const second = open(dir)
  assert.equal([second.lost, second.silentThrough], ['chain-behind', 2])
  second.close()
})

test('a log of a stored height is not replayed, and the next height is voted for', async ({ dir }) => {
  const first = open(dir)
  await sign(first)
  first.close()
  const second = open(dir, after(tip))
  assert.equal(second.inputs, [])
  assert.is(second.silentThrough, -1)
  await sign(second, 2)
  second.close()
})

test('a crash after the guard reached the disk and before the log did: the vote is given as it was, and nothing is silent', async ({
  dir,
}) => {
  const first = open(dir)
  first.enter(after(tip))
  // The engine logs the vote that it signs, and syncs both; here the log's part of that never comes.
  const vote = first.signVote(prevote(2, block), UNLOCKED)
  const path = join(dir, 'wal-0')
  await first.sync()
  first.close()
  for (const [name, remains] of [
    ['nothing of the new log', 0],
    ['the new log, without the vote', statSync(path).size],
  ] as const) {
    truncateSync(path, remains)
    const second = open(dir, after(tip))
    assert.equal([second.lost, second.silentThrough, second.unlogged], [null, -1, [vote]], name)
    second.close()
  }
  rmSync(path)
  const third = open(dir, after(tip))
  assert.equal([third.lost, third.unlogged], ['wal-missing', []], 'a file that is gone was lost')
  third.close()
})

test('a log of an older height in the place of the present one was never overwritten', async ({ dir }) => {
  const [one, two] = [after(tip), after(after(tip))]
  const first = open(dir)
  await sign(first)
  const older = readFileSync(join(dir, 'wal-1'))
  first.enter(one)
  first.enter(two)
  const vote = first.signVote(prevote(3, block), UNLOCKED)
  await first.sync()
  first.close()
  writeFileSync(join(dir, 'wal-1'), older)
  const second = open(dir, two)
  assert.equal([second.lost, second.unlogged], [null, [vote]])
  second.close()
})

test('a lock reaches the disk after the log with the polka and the block that it stands on', async () => {
  for (const [kinds, order] of [
    [['prevote'], ['guard', 'wal-1']],
    [['precommit'], ['wal-1', 'guard']],
    [
      ['prevote', 'precommit'],
      ['wal-1', 'guard'],
    ],
  ] as const) {
    const synced: string[] = []
    const open = (name: string): DurableFile => {
      const file = memoryFile(new Uint8Array(0))
      return Object.defineProperty(file, 'sync', {
        value: async () => {
          // The guard's disk is the quicker one.
          if (name !== 'guard') await new Promise(resolve => setImmediate(resolve))
          synced.push(name)
        },
      })
    }
    const journal = openJournal({ disk: { open }, chainId, key }, tip)
    for (const kind of kinds) journal.log({ type: 'votes', value: [journal.signVote({ ...prevote(1, block), kind }, UNLOCKED)] })
    await journal.sync()
    assert.equal(synced, order, kinds.join(' and '))
    journal.close()
  }
})

test('bodies are kept once a height, and given back', async ({ dir }) => {
  const first = open(dir)
  const body = new Uint8Array(1_000_000).fill(7)
  assert.ok(first.keep(block, body))
  assert.ok(first.keep(block, new Uint8Array(3)), 'kept already')
  await sign(first)
  first.close()
  const second = open(dir)
  assert.equal(second.bodies, [body])
  second.enter(after(tip))
  await second.sync()
  second.close()
  const third = open(dir, after(tip))
  assert.equal(third.bodies, [])
  third.close()
})

test('a start without a past is told from a first life that goes on, whatever is left of the disk', async ({ dir }) => {
  const disk = nodeDisk(dir)
  assert.ok(hasNoPast(disk, tip))
  assert.ok(hasNoPast(disk, tip), 'looking makes no past')
  const first = open(dir)
  first.log({ type: 'start', value: { height: 1 } })
  await first.sync()
  first.close()
  assert.not.ok(hasNoPast(disk, tip), 'a validator that has not signed yet')
  rmSync(join(dir, 'guard'))
  assert.not.ok(hasNoPast(disk, tip), 'the log of this very height tells')
  const header = headerOn(tip, key.publicKey, tip.header.time + 1, [])
  const one: Tip = { header, hash: headerHash(header), validators: tip.validators }
  assert.ok(hasNoPast(disk, one), 'a log of another height and no guard')
  const second = open(dir)
  await sign(second)
  second.close()
  assert.not.ok(hasNoPast(disk, one))
  rmSync(join(dir, 'wal-0'))
  rmSync(join(dir, 'wal-1'))
  assert.not.ok(hasNoPast(disk, one), 'the guard knows what was signed last')
  const third = open(dir)
  assert.is(third.lost, 'wal-missing', 'looking made no log that was not there')
  third.close()
})

test('the silence of a start without a past outlasts restarts, ends after its height, and is not for those with a past', async ({
  dir,
}) => {
  const disk = nodeDisk(dir)
  const options = { disk, chainId, key }
  const first = openJournal({ ...options, silentThrough: 2 }, tip)
  assert.equal([first.lost, first.silentThrough], ['no-past', 2])
  await first.sync()
  first.close()
  assert.not.ok(hasNoPast(disk, tip))
  const at = (parent: Tip): Tip => {
    const header = headerOn(parent, key.publicKey, parent.header.time + 1, [])
    return { header, hash: headerHash(header), validators: tip.validators }
  }
  const one = at(tip)
  for (const where of [tip, one, one]) {
    const again = openJournal(options, where)
    assert.is(again.silentThrough, 2)
    again.enter(where)
    again.close()
  }
  const after = openJournal(options, at(one))
  assert.equal([after.lost, after.silentThrough], [null, -1])
  after.close()
})

test('the operator may accept the risk from a height on', async ({ dir }) => {
  const first = open(dir)
  await sign(first)
  first.close()
  loseLogs(dir)
  const second = open(dir, tip, 1)
  assert.is(second.silentThrough, 0, 'from height 1 on')
  assert.ok(refused(second), 'the guard binds all the same')
  second.close()
})

test.run()
