import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EpioneError } from '../../src/encoding/errors.ts'
import { HeldTransactions } from '../../src/node/held.ts'

const logger = { debug: () => undefined } as never

function transaction(n: number, length = 100): { id: Uint8Array; bytes: Uint8Array } {
  const id = new Uint8Array(32)
  new DataView(id.buffer).setUint32(0, n)
  return { id, bytes: new Uint8Array(length).fill(n) }
}

test('what is held goes on when its time has come, once, and whatever becomes of it', async () => {
  const done: number[] = []
  let all: () => void = () => undefined
  const through = new Promise<void>(resolve => {
    all = resolve
  })
  const held = new HeldTransactions({
    logger,
    submit: async bytes => {
      done.push(bytes[0] as number)
      if (done.length === 2) all()
      if (bytes[0] === 1) throw new EpioneError('expired', 'too late')
    },
  })
  held.add(transaction(1), 5)
  held.add(transaction(1), 5)
  held.add(transaction(2), 20)
  assert.is(held.count, 2)
  await through
  assert.equal(done, [1, 2])
  assert.is(held.count, 0)
})

test('there is a bound on their number and on their bytes, and stopping forgets them', () => {
  const held = new HeldTransactions({ logger, submit: async () => assert.unreachable('it was stopped') })
  for (let i = 0; i < 4096; i++) held.add(transaction(i, 10), 60_000)
  assert.throws(
    () => held.add(transaction(5000, 10), 60_000),
    (error: EpioneError) => error.code === 'busy',
  )
  held.stop()
  assert.is(held.count, 0)
  for (let i = 0; i < 16; i++) held.add(transaction(i, 1024 * 1024), 60_000)
  assert.throws(
    () => held.add(transaction(5000, 1), 60_000),
    (error: EpioneError) => error.code === 'busy',
  )
  held.stop()
})

test.run()
