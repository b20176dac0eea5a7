/** What runs in the worker of a page, see heavy.ts: one job after the other, answered by its number. The package's entry `epione/client/worker`. */
import { errorCode } from '../encoding/errors.ts'
import { JOBS, type JobAnswer, type JobMessage, type JobName } from './heavy-jobs.ts'

interface Scope {
  onmessage: ((event: { data: JobMessage }) => void) | null
  postMessage(answer: JobAnswer, transfer: ArrayBuffer[]): void
}

const scope = globalThis as unknown as Scope

scope.onmessage = ({ data: { id, name, args } }) => {
  const job = JOBS[name as JobName] as (...args: readonly unknown[]) => unknown
  Promise.resolve()
    .then(() => job(...args))
    .then(
      result => scope.postMessage({ id, result }, [...buffersOf(result)]),
      (error: unknown) => {
        const message = error instanceof Error ? error.message : 'the work failed'
        scope.postMessage({ id, error: { code: errorCode(error), message } }, [])
      },
    )
}

/** Memory that is handed over instead of copied. */
function buffersOf(result: unknown): Set<ArrayBuffer> {
  if (result instanceof Uint8Array) return new Set(result.buffer instanceof ArrayBuffer ? [result.buffer] : [])
  if (typeof result !== 'object' || result === null) return new Set()
  return new Set(Object.values(result).flatMap(value => [...buffersOf(value)]))
}
