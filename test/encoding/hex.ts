import { parseHex } from '../../src/encoding/bytes.ts'

/** Bytes of a hex text that may be broken over lines. */
export function hex(text: string): Uint8Array {
  const bytes = parseHex(text.replace(/\s/g, ''))
  if (bytes === undefined) throw new Error(`not hex: ${text}`)
  return bytes
}
