import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { changePassphrase, createKeystore, DEFAULT_SCRYPT, openKeystore } from '../../src/crypto/keystore.ts'
import { utf8 } from '../../src/encoding/bytes.ts'
import { property } from '../encoding/seeded.ts'
import { rejectsCode } from '../encoding/throws.ts'

const keystore = suite<{ folder: string; path: string }>('keystore')
/** Low cost, so that the tests are quick. */
const options = { scrypt: { N: 16, r: 1, p: 1 } }
const entries = { seed: new Uint8Array(32).fill(7), 'peer/key': utf8('peer'), empty: new Uint8Array(0) }

keystore.before.each(async context => {
  context.folder = await mkdtemp(join(tmpdir(), 'epione-keystore-'))
  context.path = join(context.folder, 'keys.json')
})
keystore.after.each(async context => {
  await rm(context.folder, { recursive: true, force: true })
})

keystore('gives back what was put in, and is the owner’s alone', async ({ folder, path }) => {
  await createKeystore(path, 'correct horse', entries, options)
  assert.equal(await openKeystore(path, 'correct horse'), entries)
  assert.is((await stat(path)).mode & 0o777, 0o600)
  assert.equal(await readdir(folder), ['keys.json'], 'no temporary file stays')
})

keystore('the default cost is used where none is given', async ({ path }) => {
  await createKeystore(path, 'correct horse', entries)
  const file = JSON.parse(await readFile(path, 'utf8'))
  assert.equal(file.scrypt, { N: 131072, r: 8, p: 1 })
  assert.equal(file.scrypt, DEFAULT_SCRYPT)
  assert.equal(await openKeystore(path, 'correct horse'), entries)
})

keystore('nothing of the secrets is readable in the file, and no two files are alike', async ({ folder, path }) => {
  await createKeystore(path, 'correct horse', entries, options)
  await createKeystore(join(folder, 'second.json'), 'correct horse', entries, options)
  const first = JSON.parse(await readFile(path, 'utf8'))
  const second = JSON.parse(await readFile(join(folder, 'second.json'), 'utf8'))
  assert.not.match(JSON.stringify(first), '07070707')
  for (const field of ['salt', 'nonce', 'commitment', 'ciphertext']) assert.is.not(first[field], second[field])
})

keystore('a wrong passphrase is told as such', async ({ path }) => {
  await createKeystore(path, 'correct horse', entries, options)
  for (const wrong of ['', 'correct horse ', 'Correct horse']) await rejectsCode(openKeystore(path, wrong), 'wrong-passphrase')
})

keystore('never overwrites, not even what is no keystore', async ({ folder, path }) => {
  await createKeystore(path, 'first', entries, options)
  await rejectsCode(createKeystore(path, 'second', {}, options), 'keystore-exists')
  assert.equal(await openKeystore(path, 'first'), entries)
  const other = join(folder, 'other')
  await mkdir(other)
  await rejectsCode(createKeystore(other, 'second', {}, options), 'keystore-exists')
  const dangling = join(folder, 'dangling')
  await symlink(join(folder, 'nowhere'), dangling)
  await rejectsCode(createKeystore(dangling, 'second', {}, options), 'keystore-exists')
  assert.equal((await readdir(folder)).sort(), ['dangling', 'keys.json', 'other'])
})

keystore('of two that create at once, one wins and the other is told', async ({ path }) => {
  const results = await Promise.allSettled([
    createKeystore(path, 'a', { who: utf8('a') }, options),
    createKeystore(path, 'b', { who: utf8('b') }, options),
  ])
  assert.equal(results.map(result => result.status).sort(), ['fulfilled', 'rejected'])
  const winner = results[0]?.status === 'fulfilled' ? 'a' : 'b'
  assert.equal(await openKeystore(path, winner), { who: utf8(winner) })
})

keystore('a missing file, a folder and a file open to others are told apart', async ({ folder, path }) => {
  await rejectsCode(openKeystore(path, 'any'), 'keystore-missing')
  await rejectsCode(openKeystore(folder, 'any'), 'keystore-corrupt')
  await createKeystore(path, 'correct horse', entries, options)
  for (const mode of [0o640, 0o604, 0o620, 0o660, 0o644]) {
    await chmod(path, mode)
    await rejectsCode(openKeystore(path, 'correct horse'), 'keystore-permissions')
  }
  await chmod(path, 0o400)
  assert.equal(await openKeystore(path, 'correct horse'), entries)
})

keystore(
  'damage anywhere is told before a passphrase is tried',
  property(async random => {
    const folder = await mkdtemp(join(tmpdir(), 'epione-keystore-'))
    try {
      const path = join(folder, 'keys.json')
      await createKeystore(path, 'correct horse', entries, options)
      const intact = await readFile(path)
      for (let i = 0; i < 60; i++) {
        const damaged = Buffer.from(intact)
        const at = random.below(damaged.length)
        damaged[at] = (damaged[at] as number) ^ (1 << random.below(7))
        // A hex digit in the other case is the same file.
        const same = damaged.toString('utf8').toLowerCase().trim() === intact.toString('utf8').toLowerCase().trim()
        await writeFile(path, damaged)
        if (!same) await rejectsCode(openKeystore(path, 'correct horse'), 'keystore-corrupt')
      }
      for (const length of [0, 1, intact.length - 3]) {
        await writeFile(path, intact.subarray(0, length))
        await rejectsCode(openKeystore(path, 'correct horse'), 'keystore-corrupt')
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }),
)

keystore('costs, sizes and versions from a file are bounded before any work is done', async ({ path }) => {
  await createKeystore(path, 'correct horse', entries, options)
  const intact = JSON.parse(await readFile(path, 'utf8'))
  const hostile = [
    { scrypt: { N: 2 ** 30, r: 8, p: 1 } },
    { scrypt: { N: 2 ** 22, r: 32, p: 1 } },
    { scrypt: { N: 2 ** 17, r: 8, p: 64 } },
    { scrypt: { N: 100_000, r: 8, p: 1 } },
    { scrypt: { N: 1, r: 8, p: 1 } },
    { scrypt: { N: '16', r: 1, p: 1 } },
    { scrypt: null },
    { version: 2 },
    { kdf: 'none' },
    { cipher: 'none' },
    { salt: 'zz' },
    { ciphertext: '' },
    { checksum: undefined },
  ]
  for (const change of hostile) {
    await writeFile(path, JSON.stringify({ ...intact, ...change }))
    await rejectsCode(openKeystore(path, 'correct horse'), 'keystore-corrupt')
  }
  for (const text of ['null', '[]', '7', '"text"', `"${'x'.repeat(600_000)}"`]) {
    await writeFile(path, text)
    await rejectsCode(openKeystore(path, 'correct horse'), 'keystore-corrupt')
  }
})

keystore('a new passphrase replaces the old one, and a failed change leaves the file as it was', async ({ folder, path }) => {
  await createKeystore(path, 'old', entries, options)
  const before = await readFile(path, 'utf8')
  await rejectsCode(changePassphrase(path, 'wrong', 'new', options), 'wrong-passphrase')
  await rejectsCode(changePassphrase(path, 'old', '', options), 'passphrase-empty')
  assert.is(await readFile(path, 'utf8'), before)
  await changePassphrase(path, 'old', 'new', options)
  await rejectsCode(openKeystore(path, 'old'), 'wrong-passphrase')
  assert.equal(await openKeystore(path, 'new'), entries)
  assert.is((await stat(path)).mode & 0o777, 0o600)
  assert.equal(await readdir(folder), ['keys.json'])
  assert.is.not(JSON.parse(await readFile(path, 'utf8')).salt, JSON.parse(before).salt)
  await rejectsCode(changePassphrase(join(folder, 'none'), 'old', 'new', options), 'keystore-missing')
})

keystore('what does not fit is refused before anything is written', async ({ folder, path }) => {
  await rejectsCode(createKeystore(path, '', entries, options), 'passphrase-empty')
  await rejectsCode(createKeystore(path, 'p', { '../x y': new Uint8Array(1) }, options), 'malformed')
  await rejectsCode(createKeystore(path, 'p', { long: new Uint8Array(4097) }, options), 'malformed')
  const many = Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`key-${i}`, new Uint8Array(1)]))
  await rejectsCode(createKeystore(path, 'p', many, options), 'malformed')
  await rejectsCode(createKeystore(path, 'p', entries, { scrypt: { N: 100, r: 8, p: 1 } }), 'malformed')
  assert.equal(await readdir(folder), [])
})

keystore.run()
