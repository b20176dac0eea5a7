import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes, u32, utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import { type ChainStore, openChainStore } from '../../src/ledger/chain-store.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import { property } from '../encoding/seeded.ts'
import { bytesOf, genesis, idOf, nextBlock, STREAM } from './chain-fixture.ts'

const crash = suite<{ dir: string }>('chain store after a crash')

crash.before.each(context => {
  context.dir = mkdtempSync(join(tmpdir(), 'epione-crash-'))
})
crash.after.each(context => {
  rmSync(context.dir, { recursive: true })
})

/** Opens the chain, runs `use`, and closes whatever was opened. */
async function withChain<T>(dir: string, use: (chain: ChainStore) => Promise<T>): Promise<T> {
  const store = await openLevelStore(dir)
  try {
    return await use(await openChainStore(store, genesis))
  } finally {
    await store.close()
  }
}

/** Every part of the store stands at the height of the tip. */
async function standsAtOneHeight(chain: ChainStore): Promise<number> {
  const { header, tree } = chain.tip()
  const { height } = header
  assert.ok(equalBytes(tree.root, header.stateRoot))
  assert.equal(tree.get(utf8('counter')), u32(height))
  assert.is((await chain.logItems(STREAM, 0, 10_000)).length, height)
  const block = await chain.block(height)
  assert.is((await chain.receipts(height)).length, block?.transactions.length)
  assert.is(await chain.block(height + 1), undefined)
  if (height > 0) {
    assert.equal(block?.transactions[7], bytesOf(`${height} 7`))
    assert.is((await chain.receipt(idOf(`${height} 7`)))?.height, height)
  }
  assert.is(await chain.receipt(idOf(`${height + 1} 7`)), undefined)
  return height
}

/** Lets a process commit until it acknowledged so many blocks, then kills it; gives the last height that it acknowledged. */
async function commitAndKill(dir: string, blocks: number): Promise<number> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'crash-writer.ts'), dir], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  let acknowledged = 0
  let seen = 0
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged = Number(line)
    if (++seen === blocks) child.kill('SIGKILL')
  }
  const [, signal] = (await exited) as [number | null, string | null]
  assert.is(signal, 'SIGKILL')
  return acknowledged
}

crash('a process killed in the midst of commits loses nothing that it acknowledged, again and again', async ({ dir }) => {
  let before = 0
  for (const blocks of [1, 9, 23, 4]) {
    const acknowledged = await commitAndKill(dir, blocks)
    assert.ok(acknowledged >= before + blocks)
    before = await withChain(dir, standsAtOneHeight)
    // The batch that was under way may have made it to the disk without being acknowledged.
    assert.ok(before === acknowledged || before === acknowledged + 1, `${before} after ${acknowledged}`)
  }
})

/** Directory with a chain of 12 blocks, all of them in LevelDB's log, and the path of that log from the directory. */
async function chainInLog(dir: string): Promise<string> {
  await withChain(dir, async chain => {
    for (let height = 1; height <= 12; height++) {
      await chain.commit(nextBlock(chain, { names: Array.from({ length: 40 }, (_, i) => `${height} ${i}`) }))
    }
  })
  const logs = readdirSync(dir).filter(name => name.endsWith('.log'))
  assert.is(logs.length, 1)
  return logs[0] as string
}

crash(
  'a torn end of the log leaves a shorter chain that is whole',
  property(async random => {
    const dir = mkdtempSync(join(tmpdir(), 'epione-torn-'))
    try {
      const log = await chainInLog(join(dir, 'whole'))
      const size = statSync(join(dir, 'whole', log)).size
      const heights = new Set<number>()
      for (let i = 0; i < 12; i++) {
        const torn = join(dir, `torn-${i}`)
        cpSync(join(dir, 'whole'), torn, { recursive: true })
        truncateSync(join(torn, log), i === 0 ? 0 : i === 1 ? size - 1 : random.below(size))
        heights.add(await withChain(torn, standsAtOneHeight))
      }
      assert.ok(heights.has(0) && heights.has(11), 'all gone, and the last block gone')
    } finally {
      rmSync(dir, { recursive: true })
    }
  }),
)

crash(
  'one flipped bit anywhere in the log is noticed, or leaves a shorter chain that is whole',
  property(async random => {
    const dir = mkdtempSync(join(tmpdir(), 'epione-flip-'))
    try {
      const log = await chainInLog(join(dir, 'whole'))
      const content = readFileSync(join(dir, 'whole', log))
      let noticed = 0
      for (let i = 0; i < 24; i++) {
        const flipped = join(dir, `flipped-${i}`)
        cpSync(join(dir, 'whole'), flipped, { recursive: true })
        const bytes = Uint8Array.from(content)
        // The first is in the middle, where whole batches are lost while later ones are there.
        const at = i === 0 ? bytes.length >> 1 : random.below(bytes.length)
        bytes[at] = (bytes[at] as number) ^ (1 << random.below(8))
        writeFileSync(join(flipped, log), bytes)
        try {
          assert.ok((await withChain(flipped, standsAtOneHeight)) <= 12)
        } catch (error) {
          if (!(error instanceof EpioneError)) throw error
          assert.is(errorCode(error), 'store-corrupt')
          noticed++
        }
      }
      assert.ok(noticed > 0)
    } finally {
      rmSync(dir, { recursive: true })
    }
  }),
)

crash.run()
