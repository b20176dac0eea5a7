/** A disk that keeps what was synced, and of the rest what chance leaves when the power goes. */
import type { Disk, DurableFile } from '../../src/consensus/disk.ts'
import type { SeededRandom } from '../population/random.ts'
import type { Scheduler } from './scheduler.ts'

type Change =
  | { readonly type: 'write'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly type: 'truncate'; readonly size: number }

/** What survives a crash; it outlives the lives of its node. */
interface Platter {
  /** On disk for sure. */
  durable: Bytes
  /** As programs see it. */
  cached: Bytes
  /** Changes that lead from `durable` to `cached`, in order. */
  pending: Change[]
  /** Changes before the present `pending` ones, ever: so that a sync knows what it covered. */
  settled: number
}

/** Bytes that grow. */
class Bytes {
  #buffer = new Uint8Array(1024)
  length = 0

  write(offset: number, bytes: Uint8Array): void {
    this.#reserve(offset + bytes.length)
    this.#buffer.set(bytes, offset)
    this.length = Math.max(this.length, offset + bytes.length)
  }

  truncate(size: number): void {
    this.#reserve(size)
    if (size < this.length) this.#buffer.fill(0, size, this.length)
    this.length = size
  }

  slice(length: number): Uint8Array {
    return this.#buffer.slice(0, Math.min(length, this.length))
  }

  copy(): Bytes {
    const copy = new Bytes()
    copy.write(0, this.slice(this.length))
    return copy
  }

  apply(change: Change): void {
    if (change.type === 'truncate') this.truncate(change.size)
    else this.write(change.offset, change.bytes)
  }

  flip(bit: number): void {
    const at = bit >> 3
    if (at < this.length) this.#buffer[at] = (this.#buffer[at] as number) ^ (1 << (bit & 7))
  }

  #reserve(size: number): void {
    if (size <= this.#buffer.length) return
    const grown = new Uint8Array(Math.max(size, 2 * this.#buffer.length))
    grown.set(this.#buffer)
    this.#buffer = grown
  }
}

export interface DiskDependencies {
  scheduler: Scheduler
  /** How long a sync takes, in ms. */
  syncMs: () => number
}

/** The disk of one node through all its lives. */
export class SimulatedDisk {
  readonly #deps: DiskDependencies
  readonly #platters = new Map<string, Platter>()

  constructor(dependencies: DiskDependencies) {
    this.#deps = dependencies
  }

  /**
   * The disk as one life of the node has it. `step` is called before each operation: it throws once that life is over, or ends it
   * there and then.
   */
  mount(step: () => void): Disk {
    return { open: name => this.#open(name, step) }
  }

  /**
   * The power goes. Of the changes that were not synced a prefix reached the disk, and in it some writes did in part, or left zeros: a
   * file system orders what it does to lengths, not what it does to contents.
   */
  crash(random: SeededRandom): void {
    for (const platter of this.#platters.values()) {
      const reached = random.int(0, platter.pending.length)
      for (const change of platter.pending.slice(0, reached)) {
        if (change.type === 'truncate' || random.chance(0.8)) {
          platter.durable.apply(change)
          continue
        }
        const { offset, bytes } = change
        const whole = random.int(0, bytes.length)
        const torn = new Uint8Array(bytes.length)
        torn.set(bytes.subarray(0, whole))
        platter.durable.write(offset, random.chance(0.5) ? torn : torn.subarray(0, whole))
      }
      platter.cached = platter.durable.copy()
      platter.pending = []
    }
  }

  /** A bit of a file rots; false where nothing of it is on disk yet. @throws Error for a file that nobody opened */
  flipBit(name: string, random: SeededRandom): boolean {
    const platter = this.#platters.get(name)
    if (platter === undefined) throw new Error(`there is no file ${name}`)
    if (platter.durable.length === 0) return false
    platter.durable.flip(random.int(0, 8 * platter.durable.length - 1))
    platter.cached = platter.durable.copy()
    for (const change of platter.pending) platter.cached.apply(change)
    return true
  }

  #open(name: string, step: () => void): DurableFile {
    step()
    const known = this.#platters.get(name)
    const platter = known ?? { durable: new Bytes(), cached: new Bytes(), pending: [], settled: 0 }
    this.#platters.set(name, platter)
    const change = (one: Change): void => {
      step()
      platter.pending.push(one)
      platter.cached.apply(one)
    }
    return {
      created: known === undefined,
      get size() {
        return platter.cached.length
      },
      read: length => platter.cached.slice(length),
      write: (offset, bytes) => change({ type: 'write', offset, bytes: bytes.slice() }),
      truncate: size => change({ type: 'truncate', size }),
      sync: () => {
        step()
        const upTo = platter.settled + platter.pending.length
        const ms = this.#deps.syncMs()
        const settle = (): void => {
          step()
          settlePlatter(platter, upTo)
        }
        if (ms <= 0) {
          settle()
          return Promise.resolve()
        }
        return new Promise((resolve, reject) => {
          this.#deps.scheduler.after(ms, () => {
            try {
              settle()
              resolve()
            } catch (error) {
              reject(error)
            }
          })
        })
      },
      syncNow: () => {
        step()
        settlePlatter(platter, platter.settled + platter.pending.length)
      },
      close: () => undefined,
    }
  }
}

function settlePlatter(platter: Platter, upTo: number): void {
  while (platter.settled < upTo) {
    const change = platter.pending.shift()
    if (change === undefined) return
    platter.durable.apply(change)
    platter.settled++
  }
}
