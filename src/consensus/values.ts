/** What the engine asks the application about values: to make one, and to judge one. The answers come back as inputs. */
import { toHex } from '../encoding/bytes.ts'
import { errorCode } from '../encoding/errors.ts'
import type { Header } from '../ledger/header.ts'
import type { Application, Clock, Logger, Tip } from './application.ts'
import type { Effect } from './effects.ts'
import type { DriverInput } from './inputs.ts'
import type { Tasks } from './tasks.ts'

export interface ValuesDependencies {
  application: Application
  clock: Clock
  tasks: Tasks
  /** Logs the body of a batch; false where the log has no room for it. */
  keep: (digest: Uint8Array, body: Uint8Array) => boolean
  answer: (input: DriverInput) => void
  /** What may not fail has failed. */
  fail: (error: unknown) => void
  log: Logger['log']
}

export class Values {
  readonly #self: Uint8Array | null
  readonly #deps: ValuesDependencies

  constructor(self: Uint8Array | null, dependencies: ValuesDependencies) {
    this.#self = self
    this.#deps = dependencies
  }

  /** A fresh value on the tip; none where the application cannot make one, and the round goes by. */
  create({ height, round }: Extract<Effect, { type: 'get-value' }>, tip: Tip): void {
    const { application, clock, log } = this.#deps
    const proposer = this.#self
    if (proposer === null) return
    const timeMs = Math.max(clock.now(), tip.header.time + 1)
    this.#ask('value', async signal => {
      let made: { header: Header; batches: Uint8Array[] }
      try {
        made = await application.createValue(height, round, proposer, timeMs, signal)
      } catch (error) {
        if (!signal.aborted) log('error', 'create-value-failed', { height, round, code: errorCode(error) })
        return undefined
      }
      const { header, batches } = made
      // A disk that fails here ends the engine, as everywhere.
      if (signal.aborted || !this.#keep(height, batches)) return undefined
      return { type: 'value', value: { height, round, header, batches } }
    })
  }

  /** The verdict on a value; null where the application cannot tell. */
  validate({ height, candidate, header, batches }: Extract<Effect, { type: 'validate' }>): void {
    const { application, log } = this.#deps
    this.#ask(toHex(candidate), async signal => {
      let valid: boolean | null = null
      try {
        valid = await application.validateValue(header, batches, signal)
      } catch (error) {
        if (!signal.aborted) log('warn', 'validation-failed', { height, code: errorCode(error) })
      }
      if (valid === false) log('warn', 'proposal-invalid', { height })
      if (valid === true && !signal.aborted && !this.#keep(height, batches)) valid = null
      return { type: 'verdict', value: { height, candidate, valid } }
    })
  }

  /** Logs the bodies of a value that is about to be voted for; false where the log has no room for them. */
  #keep(height: number, batches: readonly Uint8Array[]): boolean {
    const { application, keep, log } = this.#deps
    if (application.bodies === undefined) return true
    const bodies = application.bodies(batches)
    const kept = batches.every((digest, i) => {
      const body = bodies[i]
      return body !== undefined && keep(digest, body)
    })
    if (!kept) log('error', 'bodies-not-kept', { height })
    return kept
  }

  #ask(name: string, call: (signal: AbortSignal) => Promise<DriverInput | undefined>): void {
    const { tasks, answer, fail } = this.#deps
    tasks.run(
      name,
      call,
      input => {
        if (input !== undefined) answer(input)
      },
      fail,
    )
  }
}
