/** Tests of this folder that say nothing of a platform hold on the primitives of browsers too: each runs once more with these in the place of Node's. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const run = promisify(execFile)
const test = suite('on the primitives of browsers')
const ROOT = join(import.meta.dirname, '..', '..')
const HOOK = join(ROOT, 'test', 'browser-platform.ts')

for (const name of [
  'crypto/signature',
  'crypto/sealing',
  'crypto/wallet',
  'crypto/object-stream',
  'crypto/secret-sharing',
  'ledger/state-proof',
]) {
  test(name, async () => {
    const { stdout } = await run(process.execPath, ['--import', HOOK, join(ROOT, 'test', `${name}.test.ts`)], { cwd: ROOT }).catch(
      (error: { stdout: string; stderr: string }) => {
        throw new Error(`${error.stdout}${error.stderr}`)
      },
    )
    const [, total, passed] = /Total:\s+(\d+)\s+Passed:\s+(\d+)/.exec(stdout) ?? []
    assert.ok(Number(total) > 5 && total === passed, stdout)
  })
}

test.run()
