import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { homePaths, lockHome } from '../../src/node/home.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { temporary } from './ledger-fixture.ts'

const test = suite('home')

test('a locked home names the process that uses it, and is free after it was released', async () => {
  using place = temporary()
  const paths = homePaths(join(place.dir, 'home'))
  const release = await lockHome(paths)
  assert.match(await readFile(paths.lock, 'utf8'), new RegExp(`^${process.pid} `))
  const error = await rejectsCode(lockHome(paths), 'home-locked')
  assert.match(error.message, String(process.pid))
  assert.match(error.message, paths.root)
  assert.is((await stat(paths.lock)).mode & 0o777, 0o600)
  assert.is((await stat(paths.root)).mode & 0o777, 0o700)
  assert.equal(await readdir(paths.root), ['node.lock'])
  await release()
  assert.equal(await readdir(paths.root), [])
})

/** Takes the lock in another process, which holds it until it is let go. */
async function lockedElsewhere(root: string): Promise<{ pid: number; end: () => Promise<void> }> {
  const script = `
    const { homePaths, lockHome } = await import(${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../src/node/home.ts')).href)})
    await lockHome(homePaths(process.argv[1]))
    console.log('locked')
    process.stdin.resume()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, root], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  await Promise.race([once(child.stdout, 'data'), exited])
  return {
    pid: child.pid ?? 0,
    end: async () => {
      child.stdin.end()
      await exited
    },
  }
}

test('the lock of a process that lives is respected; once it has died without releasing it, the home is free', async () => {
  using place = temporary()
  const paths = homePaths(place.dir)
  const other = await lockedElsewhere(place.dir)
  try {
    const before = await readFile(paths.lock, 'utf8')
    const error = await rejectsCode(lockHome(paths), 'home-locked')
    assert.match(error.message, String(other.pid))
    assert.is(await readFile(paths.lock, 'utf8'), before)
  } finally {
    await other.end()
  }
  assert.equal(await readdir(place.dir), ['node.lock'])
  const release = await lockHome(paths)
  await release()
  assert.equal(await readdir(place.dir), [])
})

test('a lock whose id was given to another process since, and one that cannot be read, are taken over', async () => {
  using place = temporary()
  const paths = homePaths(place.dir)
  for (const text of [`${process.pid} before-the-flood\n`, '', 'what\n', '-1 x\n', '999999999 1\n']) {
    await writeFile(paths.lock, text)
    const release = await lockHome(paths)
    assert.match(await readFile(paths.lock, 'utf8'), new RegExp(`^${process.pid} `))
    await release()
  }
  assert.equal(await readdir(paths.root), [])
})

test.run()
