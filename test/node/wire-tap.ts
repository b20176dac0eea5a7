/** Somebody on the wire: passes connections on and keeps every byte that goes by, in either direction. */
import { createServer, type Server, Socket } from 'node:net'

const HOST = '127.0.0.1'

export class WireTap implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #pieces: Buffer[] = []

  private constructor(target: number) {
    this.#server = createServer({ allowHalfOpen: true }, near => {
      const far = new Socket({ allowHalfOpen: true })
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from)
        from.on('error', () => to.destroy())
        from.on('close', () => this.#sockets.delete(from))
        from.on('data', piece => this.#pieces.push(Buffer.from(piece)))
        from.pipe(to)
      }
      far.connect(target, HOST)
    })
  }

  /** A tap before a port of this machine. */
  static async before(target: number): Promise<WireTap> {
    const tap = new WireTap(target)
    await new Promise<void>((resolve, reject) => {
      tap.#server.once('error', reject)
      tap.#server.listen(0, HOST, resolve)
    })
    return tap
  }

  /** Port at which it listens. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** All that went by. */
  get bytes(): Buffer {
    return Buffer.concat(this.#pieces)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}
