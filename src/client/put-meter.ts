/** How far a write is. */
import type { RecordInput } from './record-input.ts'

export interface PutProgress {
  /** `hashing` and `sealing` read the content, and send nothing yet. */
  phase: 'hashing' | 'sealing' | 'uploading' | 'anchoring'
  /** Versions done in this phase, and in all. */
  versions: number
  totalVersions: number
  /** Bytes of content done in this phase, and in all. */
  bytes: number
  totalBytes: number
}

export class PutMeter {
  readonly #inputs: readonly RecordInput[]
  readonly #report: ((progress: PutProgress) => void) | undefined
  readonly #totalBytes: number
  #phase: PutProgress['phase'] = 'hashing'
  #version = 0
  /** Bytes of the version at hand. */
  #done = 0

  constructor(inputs: readonly RecordInput[], report: ((progress: PutProgress) => void) | undefined) {
    this.#inputs = inputs
    this.#report = report
    this.#totalBytes = inputs.reduce((sum, input) => sum + input.content.size, 0)
  }

  /** The inputs, their contents counted as they are read. */
  inputs(): RecordInput[] {
    if (this.#report === undefined) return [...this.#inputs]
    return this.#inputs.map(input => ({ ...input, content: { size: input.content.size, open: () => this.#read(input.content.open()) } }))
  }

  phase(phase: PutProgress['phase']): void {
    this.pass(phase, 0)
  }

  /** Another pass over a version begins. */
  pass(phase: PutProgress['phase'], version: number): void {
    this.#phase = phase
    this.#version = version
    this.#done = 0
    this.#tell()
  }

  /** Bytes of ciphertext of a version were sent, of `size` in all. */
  sent(version: number, bytes: number, size: number): void {
    if (this.#phase !== 'uploading' || this.#version !== version) this.pass('uploading', version)
    this.#done += (bytes / Math.max(1, size)) * (this.#inputs[version]?.content.size ?? 0)
    this.#tell()
  }

  async *#read(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of content) {
      // While it is sent, what the custodians took counts, not what was read.
      if (this.#phase !== 'uploading') {
        this.#done += piece.length
        this.#tell()
      }
      yield piece
    }
  }

  #tell(): void {
    if (this.#report === undefined) return
    const before = this.#inputs.slice(0, this.#version).reduce((sum, input) => sum + input.content.size, 0)
    this.#report({
      phase: this.#phase,
      versions: this.#version,
      totalVersions: this.#inputs.length,
      bytes: Math.min(this.#totalBytes, Math.round(before + this.#done)),
      totalBytes: this.#totalBytes,
    })
  }
}
