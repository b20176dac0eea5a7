/**
 * Room for what repairs bring. It is taken before a repair is ordered: an order that cannot be stored is a line in the ledger, and a part
 * of the hour's quota, for nothing. Where storing fails all the same, nothing is ordered for a while.
 */

import { EpioneError, errorCode } from '../../encoding/errors.ts'
import type { FragmentStore } from '../../fragments/fragment-store.ts'
import type { DiskWatch } from '../disk-watch.ts'
import { FIRST_RETRY_MS, LONGEST_RETRY_MS } from './repair-plan.ts'

/** What this node's own disk and store fail with. */
const LOCAL: ReadonlySet<string> = new Set([
  'read-only',
  'disk-full',
  'quota-exceeded',
  'busy',
  'storage-failed',
  'store-unavailable',
  'store-corrupt',
])

/** Whether a repair failed for what is wrong here, and not for what its helpers did. */
export function isLocalFailure(error: unknown): boolean {
  return LOCAL.has(errorCode(error))
}

export interface RepairRoomDependencies {
  fragments: Pick<FragmentStore, 'hasRoom'>
  disk: Pick<DiskWatch, 'reserve'>
  now: () => number
}

/** Room that one repair holds. */
export interface Room {
  /** Has it hold so many bytes at least. @throws EpioneError `read-only`, `disk-full`, `quota-exceeded` */
  atLeast(bytes: number): void
  /** Gives it back; again does nothing. @param isUsed false where nothing was stored in it */
  give(isUsed?: boolean): void
}

export class RepairRoom {
  readonly #deps: RepairRoomDependencies
  /** Bytes that repairs hold. */
  #taken = 0
  #failures = 0
  #heldUntil = 0

  constructor(dependencies: RepairRoomDependencies) {
    this.#deps = dependencies
  }

  /** Takes room for the fragments of one repair. @throws EpioneError `read-only`, `disk-full`, `quota-exceeded` */
  take(bytes: number): Room {
    let held = 0
    const gives: ((written?: number) => void)[] = []
    const atLeast = (wanted: number): void => {
      const more = Math.max(0, wanted - held)
      if (!this.#deps.fragments.hasRoom(this.#taken + more))
        throw new EpioneError('quota-exceeded', 'This custodian has filled its quota: nothing is repaired until there is room.')
      gives.push(this.#deps.disk.reserve(more))
      held += more
      this.#taken += more
    }
    const give = (isUsed = true): void => {
      for (const one of gives.splice(0)) one(isUsed ? undefined : 0)
      this.#taken -= held
      held = 0
    }
    atLeast(bytes)
    return { atLeast, give }
  }

  /** Whether anything may be ordered and stored now. */
  isOpen(): boolean {
    if (this.#deps.now() < this.#heldUntil) return false
    try {
      this.take(0).give(false)
      return true
    } catch (error) {
      if (isLocalFailure(error)) return false
      throw error
    }
  }

  /** When something may be ordered and stored, in ms; infinite while there is no room: that has to be looked at now and then. */
  get opensAt(): number {
    if (this.#deps.now() < this.#heldUntil) return this.#heldUntil
    return this.isOpen() ? 0 : Number.POSITIVE_INFINITY
  }

  /** Says that storing failed: the longer it does, the longer nothing is tried. */
  failed(): void {
    this.#heldUntil = this.#deps.now() + Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures, 20))
    this.#failures++
  }

  /** Says that storing went well. */
  stored(): void {
    this.#failures = 0
  }
}
