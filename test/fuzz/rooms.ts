/** The test body that the room files share: together they feed more than a million inputs. */
import { randomInt } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { describe, fuzz } from './fuzz.ts'

const INPUTS = 350_000

export function fuzzRooms(rooms: readonly string[]): void {
  const test = suite(`fuzzing ${rooms.join(', ')}`)
  const seed = process.env.EPIONE_TEST_SEED === undefined ? randomInt(2 ** 31) : Number(process.env.EPIONE_TEST_SEED)

  test('no decoder throws anything but a refusal, takes two forms of one value, or takes long', async () => {
    const report = await fuzz({ seed, inputs: INPUTS, rooms })
    console.log(describe(report))
    assert.is(report.failures.length, 0, `replay with EPIONE_TEST_SEED=${seed}\n${describe(report)}`)
    assert.ok(report.inputs >= INPUTS)
    // The accepting side is tried as well.
    assert.ok(report.accepted > INPUTS / 20, `${report.accepted} accepted`)
  })

  test.run()
}
