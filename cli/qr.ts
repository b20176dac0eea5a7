/** QR codes for terminals. */
import { EpioneError } from '../src/encoding/errors.ts'

/** Longest text that is shown as a code, in UTF-8 bytes: above it a code has more modules than terminals have columns. */
export const MAX_QR_BYTES = 2300

/** The lines of a QR code (lowest error correction) in half blocks, light on dark. @throws EpioneError `too-large` */
export async function qrLines(text: string): Promise<string[]> {
  const bytes = new TextEncoder().encode(text).length
  if (bytes > MAX_QR_BYTES) {
    throw new EpioneError('too-large', `${bytes} bytes do not fit into a QR code of ${MAX_QR_BYTES}; use a file instead`, {
      metadata: { bytes },
    })
  }
  const { default: qrcode } = await import('qrcode-terminal')
  let lines: string[] = []
  qrcode.generate(text, { small: true }, code => {
    lines = code.trimEnd().split('\n')
  })
  return lines
}
