import { equalBytes } from '../encoding/bytes.ts'
import type { Codec } from '../encoding/schema.ts'
import type { ActionState } from './action.ts'
import { keyText, type Overlay } from './overlay.ts'

/** Values decoded so far, with their bytes: accounts and sets are read again and again. */
export type DecodedValues = Map<string, { bytes: Uint8Array; value: unknown }>

/** Typed values on an overlay. */
export class TransactionState implements ActionState {
  readonly #overlay: Overlay
  readonly #decoded: DecodedValues

  constructor(overlay: Overlay, decoded: DecodedValues) {
    this.#overlay = overlay
    this.#decoded = decoded
  }

  read<T>(codec: Codec<T>, key: Uint8Array): T | undefined {
    const bytes = this.#overlay.get(key)
    if (bytes === undefined) return undefined
    const name = keyText(key)
    const known = this.#decoded.get(name)
    // A key has one format, so that the same bytes under it are the same value.
    if (known !== undefined && (known.bytes === bytes || equalBytes(known.bytes, bytes))) return known.value as T
    const value = codec.decode(bytes)
    this.#decoded.set(name, { bytes, value })
    return value
  }

  write<T>(codec: Codec<T>, key: Uint8Array, value: T): void {
    this.#overlay.write(key, codec.encode(value))
  }

  remove(key: Uint8Array): void {
    this.#overlay.write(key, null)
  }
}

/** What genesis puts there. Its absence is a broken state, and no transaction's fault. */
export function present<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`the state holds no ${name}: it did not start from genesis`)
  return value
}
