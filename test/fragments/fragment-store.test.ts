import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { concat, equalBytes, toHex } from '../../src/encoding/bytes.ts'
import type { EpioneError } from '../../src/encoding/errors.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { type CommitItem, type FragmentKey, type FragmentStore, openFragmentStore } from '../../src/fragments/fragment-store.ts'
import { chunkLeaf, FragmentHasher } from '../../src/fragments/hasher.ts'
import { CHUNK_BYTES } from '../../src/fragments/layout.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import type { KeyValueStore } from '../../src/ledger/store.ts'
import { property, type SeededRandom } from '../encoding/seeded.ts'
import { rejectsCode, throwsCode } from '../encoding/throws.ts'
import { crashFragments, crashSubmission } from './crash-writer.ts'
import { pieces } from './dispersed.ts'

const test = suite('fragment store')

const root = (name: string): Uint8Array => sha256(new TextEncoder().encode(name))
const key = (name: string, index = 0): FragmentKey => ({ dispersalRoot: root(name), index })

function rootOf(bytes: Uint8Array): Uint8Array {
  const hasher = new FragmentHasher()
  hasher.update(bytes)
  return hasher.root()
}

/** Bytes that differ everywhere, of any length, quickly. */
function filled(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * (2 * seed + 1)) ^ (i >> 8))
}

interface Opened {
  fragments: FragmentStore
  level: KeyValueStore
  dir: string
  /** Closes both stores and opens them again. */
  reopen(): Promise<FragmentStore>
}

/** A test with a store in a folder of its own. */
function withStore(body: (opened: Opened, random: SeededRandom) => Promise<void>, quotaBytes = 2 ** 30): () => Promise<void> {
  return property(async random => {
    const dir = mkdtempSync(join(tmpdir(), 'epione-fragments-'))
    const open = async (): Promise<Pick<Opened, 'fragments' | 'level'>> => {
      const level = await openLevelStore(join(dir, 'level'))
      return { level, fragments: await openFragmentStore({ dir: join(dir, 'files'), store: level, quotaBytes }) }
    }
    const opened: Opened = {
      ...(await open()),
      dir: join(dir, 'files'),
      reopen: async () => {
        await opened.fragments.close()
        await opened.level.close()
        Object.assign(opened, await open())
        return opened.fragments
      },
    }
    try {
      await body(opened, random)
    } finally {
      await opened.fragments.close()
      await opened.level.close()
      rmSync(dir, { recursive: true, force: true })
    }
  })
}

async function received(fragments: FragmentStore, at: FragmentKey, bytes: Uint8Array): Promise<CommitItem> {
  const writer = fragments.begin(at, bytes.length)
  await writer.write(bytes)
  return { writer, expectedRoot: rootOf(bytes) }
}

async function staged(
  fragments: FragmentStore,
  at: FragmentKey,
  bytes: Uint8Array,
  submission = 'one',
  stagedUntilMs = 1000,
): Promise<void> {
  const { writer, expectedRoot } = await received(fragments, at, bytes)
  await writer.commit(expectedRoot, { submissionRoot: root(submission), stagedUntilMs })
}

function filesIn(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
}

test(
  'fragments of any length come back as they were, before and after a restart',
  withStore(async (opened, random) => {
    const lengths = [1, 16, CHUNK_BYTES - 16, CHUNK_BYTES, CHUNK_BYTES + 16, 5 * CHUNK_BYTES, 1 + random.below(400_000)]
    for (const length of lengths) {
      const bytes = filled(length, length)
      const writer = opened.fragments.begin(key(`${length}`, 3), length)
      for await (const piece of pieces(bytes, random)) await writer.write(piece)
      await writer.commit(rootOf(bytes), { submissionRoot: root('one'), stagedUntilMs: 1000 })
    }
    for (const reopened of [false, true]) {
      const fragments = reopened ? await opened.reopen() : opened.fragments
      for (const length of lengths) {
        const bytes = filled(length, length)
        const at = key(`${length}`, 3)
        assert.ok(equalBytes(await fragments.readAll(at), bytes))
        assert.equal(fragments.info(at), { length, fragmentRoot: rootOf(bytes) })
        const leaves = await fragments.chunkLeaves(at)
        let chunk = 0
        for await (const part of fragments.read(at)) assert.equal(leaves[chunk++], chunkLeaf(part))
        assert.is(chunk, Math.ceil(length / CHUNK_BYTES))
        const tail: Uint8Array[] = []
        for await (const part of fragments.read(at, { firstChunk: 1 })) tail.push(part)
        assert.ok(equalBytes(concat(...tail), bytes.subarray(CHUNK_BYTES)))
      }
      assert.equal(fragments.usage(), { bytes: lengths.reduce((sum, length) => sum + length), fragments: lengths.length })
      assert.is((await fragments.fragmentsOf(root('one'))).length, lengths.length)
    }
  }),
)

test(
  'files are private, and small fragments make none',
  withStore(async ({ fragments, dir }) => {
    await staged(fragments, key('large'), filled(CHUNK_BYTES))
    await staged(fragments, key('small'), filled(CHUNK_BYTES - 1))
    const files = filesIn(dir)
    const name = toHex(root('large'))
    assert.equal(files, [join(dir, 'fragments', name.slice(0, 2), name)])
    assert.is(statSync(files[0] as string).mode & 0o777, 0o600)
    assert.is(statSync(dir).mode & 0o777, 0o700)
  }),
)

test(
  'wrong bytes and wrong lengths are refused and leave nothing',
  withStore(async ({ fragments, dir, reopen }) => {
    for (const length of [100, 2 * CHUNK_BYTES]) {
      const bytes = filled(length)
      const wrong = await received(fragments, key('a'), bytes)
      const error = await rejectsCode(
        wrong.writer.commit(rootOf(filled(length, 2)), { submissionRoot: root('one'), stagedUntilMs: 1 }),
        'corrupt-fragment',
      )
      assert.is((error as EpioneError).metadata.index, 0)
      const short = fragments.begin(key('a'), length)
      await short.write(bytes.subarray(1))
      await rejectsCode(short.commit(rootOf(bytes), { submissionRoot: root('one'), stagedUntilMs: 1 }), 'length-mismatch')
      const long = fragments.begin(key('a'), length)
      await rejectsCode(long.write(concat(bytes, bytes)), 'length-mismatch')
      await rejectsCode(long.write(bytes), 'writer-closed')
      const given = await received(fragments, key('a'), bytes)
      await given.writer.abort()
      await rejectsCode(given.writer.commit(given.expectedRoot, { submissionRoot: root('one'), stagedUntilMs: 1 }), 'writer-closed')
    }
    const partial = fragments.begin(key('b'), 3 * CHUNK_BYTES)
    await partial.write(filled(CHUNK_BYTES))
    assert.is(filesIn(dir).length, 1)
    await partial.abort()
    assert.equal(filesIn(dir), [])
    assert.equal(fragments.usage(), { bytes: 0, fragments: 0 })
    assert.is(fragments.submission(root('one')), undefined)
    await rejectsCode(fragments.readAll(key('a')), 'fragment-not-found')
    assert.equal((await reopen()).usage(), { bytes: 0, fragments: 0 })
    throwsCode(() => fragments.begin(key('a'), 10), 'store-closed')
  }),
)

test(
  'a submission is staged whole or not at all',
  withStore(async opened => {
    const { fragments } = opened
    const many: CommitItem[] = []
    for (let i = 0; i < 500; i++) many.push(await received(fragments, key(`m${i}`), filled(200 + i, i)))
    await fragments.commitSubmission(many, { submissionRoot: root('many'), stagedUntilMs: 1000 })
    assert.is(fragments.usage().fragments, 500)

    const mixed = [
      await received(fragments, key('x'), filled(300)),
      await received(fragments, key('y'), filled(2 * CHUNK_BYTES)),
      { ...(await received(fragments, key('z'), filled(400))), expectedRoot: root('other') },
    ]
    await rejectsCode(fragments.commitSubmission(mixed, { submissionRoot: root('mixed'), stagedUntilMs: 1000 }), 'corrupt-fragment')
    for (const name of ['x', 'y', 'z']) assert.not(fragments.has(key(name)))
    assert.equal(filesIn(opened.dir), [])

    const again = await opened.reopen()
    assert.is((await again.fragmentsOf(root('many'))).length, 500)
    for (const i of [0, 250, 499]) assert.ok(equalBytes(await again.readAll(key(`m${i}`)), filled(200 + i, i)))
  }),
)

test(
  'what is staged expires at its time, what is anchored stays',
  withStore(async opened => {
    const { fragments } = opened
    await staged(fragments, key('a'), filled(100), 'early', 1000)
    await staged(fragments, key('b'), filled(CHUNK_BYTES), 'early', 1000)
    await staged(fragments, key('c'), filled(100), 'late', 2000)
    await staged(fragments, key('d'), filled(CHUNK_BYTES), 'anchored', 1000)
    assert.ok(await fragments.markAnchored(root('anchored')))
    assert.not(await fragments.markAnchored(root('unknown')))
    assert.is(await fragments.dropExpired(999), 0)
    const again = await opened.reopen()
    assert.equal(again.submission(root('late')), { submissionRoot: root('late'), anchored: false, stagedUntilMs: 2000 })
    assert.is(await again.dropExpired(1000), 1)
    assert.not(again.has(key('a')) || again.has(key('b')))
    assert.is(filesIn(opened.dir).length, 1)
    assert.ok(await again.renew(root('late'), 5000))
    assert.not(await again.renew(root('anchored'), 5000))
    assert.is(await again.dropExpired(4999), 0)
    assert.is(await again.dropExpired(5000), 1)
    assert.is(await again.dropExpired(Number.MAX_SAFE_INTEGER - 1), 0)
    assert.equal(again.usage(), { bytes: CHUNK_BYTES, fragments: 1 })
    assert.ok(equalBytes(await again.readAll(key('d')), filled(CHUNK_BYTES)))
    // A fragment that comes late to an anchored submission stays with it.
    await staged(again, key('e'), filled(10), 'anchored', 1)
    assert.is(await again.dropExpired(10_000), 0)
    const found: string[] = []
    for await (const { submissionRoot, anchored } of again.submissions()) found.push(`${toHex(submissionRoot)} ${anchored}`)
    assert.equal(found, [`${toHex(root('anchored'))} true`])
  }),
)

test(
  'staging again keeps the later time, and a fragment lives as long as a submission that brought it',
  withStore(async ({ fragments }) => {
    await staged(fragments, key('a'), filled(100), 'one', 3000)
    await staged(fragments, key('a'), filled(100), 'one', 2000)
    assert.is(fragments.submission(root('one'))?.stagedUntilMs, 3000)
    await staged(fragments, key('a'), filled(100), 'two', 1000)
    assert.equal(fragments.usage(), { bytes: 100, fragments: 1 })
    assert.is(await fragments.dropExpired(1000), 1)
    assert.ok(fragments.has(key('a')))
    assert.ok(await fragments.dropSubmission(root('one')))
    assert.not(await fragments.dropSubmission(root('one')))
    assert.not(fragments.has(key('a')))
    assert.equal(fragments.usage(), { bytes: 0, fragments: 0 })
  }),
)

test(
  'deleting takes the fragment from every submission and from the disk',
  withStore(async opened => {
    const { fragments, dir } = opened
    for (const submission of ['one', 'two']) {
      await staged(fragments, key('a'), filled(2 * CHUNK_BYTES), submission)
      await staged(fragments, key('b'), filled(64), submission)
    }
    assert.not(await fragments.delete(key('a', 1)))
    assert.ok(await fragments.delete(key('a')))
    assert.ok(await fragments.delete(key('b')))
    assert.not(await fragments.delete(key('a')))
    assert.equal(filesIn(dir), [])
    assert.equal(await fragments.fragmentsOf(root('two')), [])
    await rejectsCode(fragments.readAll(key('b')), 'fragment-not-found')
    assert.equal((await opened.reopen()).usage(), { bytes: 0, fragments: 0 })
  }),
)

test(
  'a second fragment of one version is refused, and so is other content',
  withStore(async ({ fragments }) => {
    await staged(fragments, key('a', 1), filled(100))
    throwsCode(() => fragments.begin(key('a', 2), 100), 'second-index')
    throwsCode(() => fragments.begin(key('a', 1), 101), 'exists')
    await rejectsCode(staged(fragments, key('a', 1), filled(100, 7)), 'exists')
    const items = [await received(fragments, key('b', 1), filled(50)), await received(fragments, key('b', 2), filled(50))]
    await rejectsCode(fragments.commitSubmission(items, { submissionRoot: root('one'), stagedUntilMs: 1 }), 'second-index')
    assert.not(fragments.has(key('b', 1)))
    // The same fragment twice in one submission is one fragment.
    const twins = [await received(fragments, key('c'), filled(CHUNK_BYTES)), await received(fragments, key('c'), filled(CHUNK_BYTES))]
    await fragments.commitSubmission(twins, { submissionRoot: root('one'), stagedUntilMs: 1 })
    assert.equal(fragments.usage(), { bytes: 100 + CHUNK_BYTES, fragments: 2 })
    throwsCode(() => fragments.begin({ dispersalRoot: new Uint8Array(31), index: 0 }, 1), 'malformed')
    throwsCode(() => fragments.begin(key('d', 48), 1), 'malformed')
    throwsCode(() => fragments.begin(key('d'), 0), 'malformed')
  }),
)

test(
  'the quota counts what is there and what is arriving',
  withStore(async opened => {
    const { fragments } = opened
    await staged(fragments, key('a'), filled(40_000))
    const arriving = fragments.begin(key('b'), 100_000)
    throwsCode(() => fragments.begin(key('c'), 60_001), 'quota-exceeded')
    const fits = fragments.begin(key('c'), 60_000)
    throwsCode(() => fragments.begin(key('d'), 1), 'quota-exceeded')
    await fits.abort()
    await arriving.abort()
    await staged(fragments, key('b'), filled(160_000), 'two', 500)
    throwsCode(() => fragments.begin(key('d'), 1), 'quota-exceeded')
    const again = await opened.reopen()
    throwsCode(() => again.begin(key('d'), 1), 'quota-exceeded')
    await again.dropExpired(500)
    await staged(again, key('d'), filled(160_000))
    assert.equal(again.usage(), { bytes: 200_000, fragments: 2 })
  }, 200_000),
)

test(
  'bytes that went bad on disk are found on reading, and staging the fragment again mends it',
  withStore(async ({ fragments, level, dir }, random) => {
    const bytes = filled(3 * CHUNK_BYTES + 160)
    await staged(fragments, key('a', 5), bytes)
    const [file] = filesIn(dir) as [string]
    const damage: (() => void)[] = [
      () => {
        const changed = readFileSync(file)
        const at = random.below(changed.length)
        changed[at] = (changed[at] as number) ^ (1 << random.below(8))
        writeFileSync(file, changed)
      },
      () => truncateSync(file, bytes.length - 1),
      () => unlinkSync(file),
    ]
    for (const harm of damage) {
      harm()
      const error = await rejectsCode(fragments.readAll(key('a', 5)), 'corrupt-fragment')
      assert.is((error as EpioneError).metadata.index, 5)
      await staged(fragments, key('a', 5), bytes)
      assert.ok(equalBytes(await fragments.readAll(key('a', 5)), bytes))
    }
    assert.equal(fragments.usage(), { bytes: bytes.length, fragments: 1 })
    // The same inside the key-value store: every value but the fragment's own record.
    await staged(fragments, key('b'), filled(500))
    const part = level.sublevel('fragments')
    for (const [name, prefix] of [
      ['a', 0x02],
      ['b', 0x03],
    ] as const) {
      const stored = concat(Uint8Array.of(prefix), root(name))
      const value = (await part.get(stored)) as Uint8Array
      const changed = value.slice()
      changed[random.below(changed.length)]! ^= 1
      await part.batch([{ type: 'put', key: stored, value: changed }])
      await rejectsCode(fragments.readAll(key(name, name === 'a' ? 5 : 0)), 'corrupt-fragment')
      await part.batch([{ type: 'del', key: stored }])
      await rejectsCode(fragments.readAll(key(name, name === 'a' ? 5 : 0)), 'corrupt-fragment')
    }
  }),
)

test(
  'opening clears what a crash left and touches nothing else',
  withStore(async opened => {
    await staged(opened.fragments, key('kept'), filled(CHUNK_BYTES))
    const orphan = toHex(root('orphan'))
    writeFileSync(join(opened.dir, 'incoming', '7'), filled(100))
    writeFileSync(join(opened.dir, 'fragments', orphan.slice(0, 2), orphan), filled(100))
    writeFileSync(join(opened.dir, 'fragments', '00', 'notes.txt'), 'not ours')
    const again = await opened.reopen()
    const kept = toHex(root('kept'))
    assert.equal(filesIn(opened.dir).sort(), [
      join(opened.dir, 'fragments', '00', 'notes.txt'),
      join(opened.dir, 'fragments', kept.slice(0, 2), kept),
    ])
    assert.ok(equalBytes(await again.readAll(key('kept')), filled(CHUNK_BYTES)))
  }),
)

test(
  'a failing key-value store loses nothing that was there and counts nothing that is not',
  withStore(async ({ level, dir, fragments }) => {
    let failing = false
    const flaky = (store: KeyValueStore): KeyValueStore => ({
      get: at => store.get(at),
      getSync: at => store.getSync(at),
      iterator: range => store.iterator(range),
      compact: range => store.compact(range),
      sublevel: name => flaky(store.sublevel(name)),
      close: async () => {},
      batch: async (operations, options) => {
        if (failing) throw new Error('disk trouble')
        await store.batch(operations, options)
      },
    })
    await fragments.close()
    const options = { dir, store: flaky(level), quotaBytes: 2 ** 30 }
    const first = await openFragmentStore(options)
    await staged(first, key('a'), filled(CHUNK_BYTES))
    failing = true
    await rejectsCode(staged(first, key('b'), filled(CHUNK_BYTES)), 'storage-failed')
    await rejectsCode(staged(first, key('a'), filled(CHUNK_BYTES)), 'storage-failed')
    assert.equal(first.usage(), { bytes: CHUNK_BYTES, fragments: 1 })
    failing = false
    await first.close()
    const second = await openFragmentStore(options)
    assert.is(filesIn(dir).length, 1)
    assert.ok(equalBytes(await second.readAll(key('a')), filled(CHUNK_BYTES)))
    await staged(second, key('b'), filled(CHUNK_BYTES))
    await second.close()
  }),
)

test('a killed process keeps every submission that it called durable', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'epione-crash-'))
  try {
    const child = spawn(process.execPath, [new URL('./crash-writer.ts', import.meta.url).pathname, dir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let told = ''
    const ended = new Promise<void>(resolve => child.on('close', () => resolve()))
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      told += chunk
      if (told.split('\n').length > 12) child.kill('SIGKILL')
    }
    await ended
    const durable = told.split('\n').slice(0, -1).map(Number)
    assert.ok(durable.length >= 12)
    const level = await openLevelStore(join(dir, 'level'))
    const fragments = await openFragmentStore({ dir: join(dir, 'files'), store: level, quotaBytes: 2 ** 30 })
    for (const submission of durable) {
      for (const { dispersalRoot, bytes } of crashFragments(submission)) {
        assert.ok(equalBytes(await fragments.readAll({ dispersalRoot, index: 0 }), bytes))
      }
      assert.is(fragments.submission(crashSubmission(submission))?.stagedUntilMs, 1000)
    }
    assert.equal(readdirSync(join(dir, 'files', 'incoming')), [])
    await fragments.dropExpired(1000)
    assert.equal(fragments.usage(), { bytes: 0, fragments: 0 })
    assert.equal(filesIn(join(dir, 'files')), [])
    await fragments.close()
    await level.close()
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})

test(
  'fragments may arrive and commit at the same time',
  withStore(async ({ fragments }) => {
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => staged(fragments, key(`c${i}`), filled(i % 2 === 0 ? 100 + i : CHUNK_BYTES + i), `s${i % 4}`)),
    )
    assert.is(fragments.usage().fragments, 40)
    await Promise.all([fragments.dropExpired(1000), fragments.dropSubmission(root('s0')), fragments.markAnchored(root('s1'))])
    assert.ok(fragments.usage().fragments <= 10)
  }),
)

test.run()
