import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { buildKernel, kernelModule } from '../../src/fragments/kernel/build.ts'

const test = suite('kernel')

test('the committed bytes are what the source compiles to, below 4 KiB each', () => {
  const plain = buildKernel({ relaxed: false })
  const relaxed = buildKernel({ relaxed: true })
  assert.ok(plain.length <= 4096 && relaxed.length <= 4096)
  const committed = readFileSync(new URL('../../src/fragments/kernel/bytes.ts', import.meta.url), 'utf8')
  assert.ok(committed === kernelModule(plain, relaxed), 'run node src/fragments/kernel/build.ts')
})

test.run()
