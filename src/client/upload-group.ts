/**
 * The uploads of a submission to its n custodians, side by side. Enough of them must go on; who lags behind enough others is waited
 * for a bounded time: LAG_MS, and as long again as the rest of the work took. What a custodian misses, the network repairs.
 */
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { disperse } from '../fragments/dispersal.ts'
import { stripeBytes } from '../fragments/layout.ts'
import { Patience, type Timer } from '../fragments/pace.ts'
import { stripeWorker } from './heavy.ts'
import type { CallOptions } from './nodes.ts'
import type { SealedCiphertext } from './sealed-version.ts'
import type { SignedReceipt } from './upload.ts'

/** How long the n - f quickest custodians wait for the others, beside the time that the work itself takes, in ms. */
export const UPLOAD_LAG_MS = 5_000

/** The upload to one custodian: after an error it does nothing. None of its calls throws. */
export interface CustodianUpload {
  readonly member: { readonly organisation: { readonly name: string } }
  readonly index: number
  readonly error: unknown
  readonly receipt: SignedReceipt | undefined
  begin(sealed: readonly SealedCiphertext[], options: CallOptions): Promise<void>
  send(version: number, sealed: SealedCiphertext, chunk: number, bytes: Uint8Array): Promise<void>
  finish(): Promise<void>
  giveUp(): void
  cancel(): void
}

export class UploadGroup {
  readonly #uploads: readonly CustodianUpload[]
  readonly #needed: number
  readonly #timer: Timer
  readonly #patience = new Patience(UPLOAD_LAG_MS)
  #doneAt: number

  /** @param needed how many must succeed, n - f */
  constructor(uploads: readonly CustodianUpload[], needed: number, timer: Timer) {
    this.#uploads = uploads
    this.#needed = needed
    this.#timer = timer
    this.#doneAt = timer.now()
  }

  get receipts(): SignedReceipt[] {
    return this.#uploads.flatMap(upload => upload.receipt ?? [])
  }

  /**
   * Sends every version to every custodian, and collects receipts. `onSent` is told of every stripe, by the number of its bytes.
   * @throws EpioneError `too-few-receipts`
   */
  async run(
    sealed: readonly SealedCiphertext[],
    code: { n: number; k: number },
    options: CallOptions & { onSent: (version: number, bytes: number) => void },
  ): Promise<void> {
    const { signal, onSent } = options
    try {
      await this.#each(upload => upload.begin(sealed, options), signal)
      for (const [position, version] of sealed.entries()) {
        const { size } = version.meta
        for await (const { stripe, shards } of disperse(version.ciphertext(), size, code, { signal, worker: stripeWorker() })) {
          await this.#each(upload => upload.send(position, version, stripe, shards[upload.index] as Uint8Array), signal)
          onSent(position, stripeBytes({ ...code, size }, stripe))
        }
      }
      await this.#each(upload => upload.finish(), signal)
    } catch (error) {
      for (const upload of this.#uploads) upload.cancel()
      throw error
    }
  }

  /** Does something with every custodian that still works; waits for all of them, within the patience that is left. */
  async #each(act: (upload: CustodianUpload) => Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    const timer = this.#timer
    const pending = new Set(this.#uploads.filter(({ error }) => error === undefined))
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const aborted = (): void => reject(signal?.reason)
    signal?.addEventListener('abort', aborted, { once: true })
    let enoughAt: number | undefined
    let cancel: (() => void) | undefined
    const settled = (upload: CustodianUpload): void => {
      pending.delete(upload)
      if (pending.size === 0) resolve()
      else if (enoughAt === undefined && this.#working(pending) >= this.#needed) {
        enoughAt = timer.now()
        cancel = timer.after(this.#patience.leftMs, resolve)
      }
    }
    try {
      signal?.throwIfAborted()
      for (const upload of [...pending]) void act(upload).then(() => settled(upload))
      if (pending.size > 0) await promise
    } finally {
      cancel?.()
      signal?.removeEventListener('abort', aborted)
    }
    for (const upload of pending) upload.giveUp()
    const now = timer.now()
    const waited = enoughAt === undefined ? 0 : now - enoughAt
    this.#patience.note(now - this.#doneAt - waited, waited)
    this.#doneAt = now
    this.#require()
  }

  /** How many work and are not among those. */
  #working(pending: ReadonlySet<CustodianUpload>): number {
    return this.#uploads.filter(upload => upload.error === undefined && !pending.has(upload)).length
  }

  #require(): void {
    const working = this.#uploads.filter(upload => upload.error === undefined)
    if (working.length >= this.#needed) return
    const failed = this.#uploads.filter(upload => upload.error !== undefined)
    const names = failed.map(upload => `${upload.member.organisation.name} (${errorCode(upload.error)})`).join(', ')
    throw new EpioneError(
      'too-few-receipts',
      `Only ${working.length} of ${this.#uploads.length} custodians could store it and ${this.#needed} are needed; missing: ${names}. Nothing was anchored.`,
      { metadata: { receipts: working.length, needed: this.#needed }, cause: failed[0]?.error },
    )
  }
}
