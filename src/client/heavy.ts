/**
 * Where a page's heavy work is done: in a worker that the application gives ({@link useWorker}), started when it is first needed, ended when it has had
 * nothing to do for a while; on this thread where there is none, where it does not start, and for what is too small to be worth the way. What comes out is
 * the same. Node needs none: compression and ciphers are on its thread pool.
 */

import type { SealingContext } from '../crypto/sealing.ts'
import { EpioneError } from '../encoding/errors.ts'
import type { StripeWorker } from '../fragments/stripe-work.ts'
import { JOBS, type JobAnswer, type JobMessage, type JobName, type Jobs } from './heavy-jobs.ts'

/** Below so many bytes compressing takes less than the way to the worker. */
const SMALL_BYTES = 16 * 1024
/** Jobs that are with the worker at once; more of them wait. Each is a few hundred kilobytes, or content in memory of 64 MiB at most. */
const MAX_JOBS = 16
/** After how long without a job the worker is ended, which gives back its memory, in ms. */
const IDLE_MS = 30_000

/** What is needed of a `Worker`. */
export interface WorkerLike {
  postMessage(message: unknown): void
  terminate(): void
  addEventListener(type: 'message' | 'error', listener: (event: unknown) => void): void
}

interface Pending {
  message: JobMessage
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
}

let factory: (() => WorkerLike) | null = null
let worker: WorkerLike | null = null
let idle: ReturnType<typeof setTimeout> | undefined
let count = 0
let offloaded = 0
const pending = new Map<number, Pending>()
const waiting: Pending[] = []

/**
 * Has heavy work done in a worker: erasure coding with its hashes, compression, key encapsulation.
 *
 *     useWorker(() => new Worker(new URL('./epione-worker.ts', import.meta.url), { type: 'module' }))
 *
 * where that file is the one line `import 'epione/client/worker'`. A Content-Security-Policy of `script-src 'self' 'wasm-unsafe-eval'` lets it start. It is made at
 * the first work, not here; where it cannot be made or fails, the work is done on this thread from then on.
 * @param make null for none
 */
export function useWorker(make: (() => WorkerLike) | null): void {
  endWorker()
  factory = make
}

/** How many jobs were done in the worker, how many are under way or wait, and whether there is one now. */
export function workerReport(): { offloaded: number; waiting: number; running: boolean } {
  return { offloaded, waiting: pending.size + waiting.length, running: worker !== null }
}

/** Zstandard, see platform.ts. */
export async function compress(bytes: Uint8Array, dictionary?: Uint8Array): Promise<Uint8Array> {
  return bytes.length < SMALL_BYTES ? await JOBS.zstd(bytes, dictionary) : await run('zstd', [own(bytes), dictionary])
}

/** Its inverse, see platform.ts. */
export async function decompress(bytes: Uint8Array, maxBytes: number, dictionary?: Uint8Array): Promise<Uint8Array> {
  return maxBytes < SMALL_BYTES ? await JOBS.unzstd(bytes, maxBytes, dictionary) : await run('unzstd', [own(bytes), maxBytes, dictionary])
}

/** Seals to a public key, see `seal`. */
export async function sealAside(publicKey: Uint8Array, plaintext: Uint8Array, context: SealingContext): Promise<Uint8Array> {
  return await run('seal', [own(publicKey), own(plaintext), context])
}

/** Computes stripes in the worker; undefined where there is none, which spares the way. */
export function stripeWorker(): StripeWorker | undefined {
  if (factory === null) return undefined
  return {
    encode: async ({ n, k }, data) => await run('encode', [n, k, own(data)]),
    complete: async ({ n, k }, shards, leaves, length) => {
      const owned = (bytes: Uint8Array | undefined): Uint8Array | undefined => (bytes === undefined ? undefined : own(bytes))
      return await run('complete', [n, k, Array.from(shards, owned), Array.from(leaves, owned), length])
    },
  }
}

/** Bytes as memory of their own: of a view, all that it is a view of would be copied. */
function own(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice()
}

async function run<Name extends JobName>(name: Name, args: Parameters<Jobs[Name]>): Promise<Awaited<ReturnType<Jobs[Name]>>> {
  if (factory === null) return await here(name, args)
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const job: Pending = { message: { id: count++, name, args }, resolve, reject }
  if (pending.size >= MAX_JOBS) waiting.push(job)
  else start(job)
  return (await promise) as Awaited<ReturnType<Jobs[Name]>>
}

async function here<Name extends JobName>(name: Name, args: Parameters<Jobs[Name]>): Promise<Awaited<ReturnType<Jobs[Name]>>> {
  const job = JOBS[name] as (...args: Parameters<Jobs[Name]>) => ReturnType<Jobs[Name]>
  return await job(...args)
}

function start(job: Pending): void {
  clearTimeout(idle)
  pending.set(job.message.id, job)
  try {
    worker ??= made()
    worker.postMessage(job.message)
  } catch {
    giveUp()
  }
}

function made(): WorkerLike {
  const fresh = (factory as () => WorkerLike)()
  fresh.addEventListener('message', event => take((event as { data: JobAnswer }).data))
  fresh.addEventListener('error', () => {
    if (worker === fresh) giveUp()
  })
  return fresh
}

function take(answer: JobAnswer): void {
  const job = pending.get(answer.id)
  if (job === undefined) return
  pending.delete(answer.id)
  offloaded++
  if ('error' in answer) job.reject(new EpioneError(answer.error.code, answer.error.message))
  else job.resolve(answer.result)
  const next = waiting.shift()
  if (next !== undefined) start(next)
  else if (pending.size === 0) idle = setTimeout(endWorker, IDLE_MS)
}

/** No worker any more: what it had, and what waited for it, is done here. */
function giveUp(): void {
  factory = null
  const left = [...pending.values(), ...waiting.splice(0)]
  pending.clear()
  worker?.terminate()
  worker = null
  for (const { message, resolve, reject } of left) here(message.name, message.args as never).then(resolve, reject)
}

function endWorker(): void {
  clearTimeout(idle)
  if (pending.size > 0 || waiting.length > 0) giveUp()
  worker?.terminate()
  worker = null
}
