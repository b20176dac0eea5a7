import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { staggered } from '../../src/node/staggered.ts'

const test = suite('staggered')
const signal = AbortSignal.timeout(30_000)
/** Longer than any test: whoever depended on it would hang. */
const NEVER_MS = 2 ** 30

test('the first that answers is enough, and the next is not asked', async () => {
  const asked: string[] = []
  const attempt = (name: string) => ({ ask: async () => asked.push(name) })
  await staggered([attempt('a'), attempt('b')], { afterMs: NEVER_MS, signal })
  assert.equal(asked, ['a'])
})

test('after a failure the next is asked at once', async () => {
  const failing = { ask: async () => Promise.reject(new Error('no')) }
  assert.is(await staggered([failing, failing, { ask: async () => 'yes' }], { afterMs: NEVER_MS, signal }), 'yes')
})

test('one that is silent holds nobody up, is said to be late, and is given up', async () => {
  let late = 0
  let aborted = false
  const silent = {
    ask: async (over: AbortSignal) =>
      await new Promise<string>((_, reject) =>
        over.addEventListener('abort', () => {
          aborted = true
          reject(over.reason)
        }),
      ),
    late: () => void late++,
  }
  assert.is(await staggered([silent, { ask: async () => 'yes' }], { afterMs: 1, signal }), 'yes')
  assert.equal([late, aborted], [1, true])
})

test('a late answer still counts where the next ones fail', async () => {
  const { promise, resolve } = Promise.withResolvers<string>()
  const slow = { ask: async () => await promise }
  const failing = {
    ask: async () => {
      resolve('late')
      throw new Error('no')
    },
  }
  assert.is(await staggered([slow, failing], { afterMs: 1, signal }), 'late')
})

test('where all fail the last failure is told; where nobody is there, that', async () => {
  const failing = (text: string) => ({ ask: async () => Promise.reject(new Error(text)) })
  const told = async (attempts: Parameters<typeof staggered>[0]): Promise<string> =>
    await staggered(attempts, { afterMs: NEVER_MS, signal }).then(
      () => 'nothing',
      (error: Error) => error.message,
    )
  assert.is(await told([failing('one'), failing('two')]), 'two')
  assert.match(await told([]), 'nobody')
})

test('the caller can give up', async () => {
  const over = new AbortController()
  const asked = staggered([{ ask: async () => await new Promise(() => undefined) }], { afterMs: NEVER_MS, signal: over.signal })
  over.abort(new Error('given up'))
  try {
    await asked
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, 'given up')
  }
})

test.run()
