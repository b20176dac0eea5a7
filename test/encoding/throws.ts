import * as assert from 'uvu/assert'
import { errorCode } from '../../src/encoding/errors.ts'

/** Runs `act` and demands that it throws an error with `code`; gives the error back. */
export function throwsCode(act: () => unknown, code: string): Error {
  try {
    act()
  } catch (error) {
    assert.is(errorCode(error, String(error)), code)
    return error as Error
  }
  assert.unreachable(`nothing was thrown instead of ${code}`)
  throw new Error('unreachable')
}

/** As {@link throwsCode}, for a promise. */
export async function rejectsCode(promise: Promise<unknown>, code: string): Promise<Error> {
  try {
    await promise
  } catch (error) {
    assert.is(errorCode(error, String(error)), code)
    return error as Error
  }
  assert.unreachable(`nothing was thrown instead of ${code}`)
  throw new Error('unreachable')
}
