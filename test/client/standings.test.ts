import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Standings } from '../../src/client/standings.ts'
import { seedOf } from '../node/cluster.ts'

const test = suite('standings of custodians')
const member = (index: number) => ({ id: seedOf('custodian', index), organisation: { name: `Hospital ${index}` } })
const MB = 1e6

test('the quickest come first, who failed comes last, and time heals', () => {
  let now = 0
  const standings = new Standings(() => now)
  const [a, b, c, d] = [0, 1, 2, 3].map(member) as [ReturnType<typeof member>, ...ReturnType<typeof member>[]] as [
    ReturnType<typeof member>,
    ReturnType<typeof member>,
    ReturnType<typeof member>,
    ReturnType<typeof member>,
  ]
  assert.equal(standings.rank([a, b, c, d]), [a, b, c, d], 'nothing is known')
  standings.answered(b, 20)
  standings.answered(c, 10)
  standings.served(c, MB, 500)
  assert.equal(standings.rank([a, b, c, d]), [b, a, d, c], 'quick, unknown, slow in bytes')
  standings.failed(b, 'corrupt-fragment')
  assert.equal(standings.rank([a, b, c, d]), [a, d, c, b])
  now += 24 * 60 * 60 * 1000
  assert.equal(standings.rank([a, b, c, d]), [b, a, d, c], 'a day later')
  standings.failed(a, 'not-found')
  standings.failed(b, 'corrupt-fragment')
  assert.equal(standings.rank([a, b]), [a, b], 'a refusal weighs less than a lie')
})

test('what is counted can be read, and is bounded', () => {
  const standings = new Standings(() => 0)
  for (let i = 0; i < 2000; i++) standings.asked(member(i))
  assert.is(standings.list().length, 1024)
  assert.is(standings.list().at(-1)?.name, 'Hospital 1999')
  const liar = member(5000)
  for (let i = 0; i < 100; i++) standings.failed(liar, `code-${i}`)
  standings.failed(liar, 'code-0')
  standings.served(liar, 1000, 1)
  const shown = standings.list().at(-1)
  assert.is(shown?.servedBytes, 1000)
  assert.is(shown?.bytesPerSecond, null, 'too few bytes to tell a rate')
  assert.is(Object.keys(shown?.failures ?? {}).length, 32)
  assert.is(shown?.failures['code-0'], 2)
  assert.is(shown?.failures.other, 69)
})

test.run()
