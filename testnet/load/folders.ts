/** Folders that a load works on: opened ahead, since each does few acts an hour by itself. */

import type { LightPeer } from '../../src/client/light-peer.ts'
import { type BenchFolder, openBenchFolder } from '../bench/folder.ts'
import type { Testnet } from '../launcher/testnet.ts'

/** Folders that are kept ready. */
const READY = 2

/** Acts that a folder is used for before the next one takes its place: a folder does 16 an hour by itself. */
const USES = 14

export class FolderSupply {
  readonly #open: () => Promise<BenchFolder>
  readonly #ready: Promise<BenchFolder>[] = []
  #current: { folder: Promise<BenchFolder>; uses: number } | undefined

  constructor(net: Testnet, peer: LightPeer, seed: number) {
    this.#open = async () => await openBenchFolder(net, peer, seed)
  }

  /** A folder that may do one more act. */
  async next(): Promise<BenchFolder> {
    if (this.#current === undefined || this.#current.uses >= USES) this.#current = { folder: this.#take(), uses: 0 }
    this.#current.uses++
    try {
      return await this.#current.folder
    } catch (error) {
      // It was not opened: the next act asks for another.
      this.#current = undefined
      throw error
    }
  }

  #take(): Promise<BenchFolder> {
    while (this.#ready.length <= READY) {
      const opening = this.#open()
      opening.catch(() => undefined)
      this.#ready.push(opening)
    }
    return this.#ready.shift() as Promise<BenchFolder>
  }
}
