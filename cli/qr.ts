/** QR codes for terminals. */
import { EpioneError } from '../src/encoding/errors.ts'

/** Longest text that is shown as a code, in UTF-8 bytes: above it a code has more modules than terminals have columns. */
export const MAX_QR_BYTES = 2300

/** The modules of a QR code (lowest error correction) by row, true for dark, with a light margin of one module. @throws EpioneError `too-large` */
export async function qrModules(text: string): Promise<boolean[][]> {
  const code = await generate(text, false)
  // Each module is two spaces on a ground of its colour: 40 is dark, 47 light.
  return code.map(line => [...line.matchAll(/\[4([07])m/g)].map(([, ground]) => ground === '0'))
}

/** The lines of a QR code (lowest error correction) in half blocks, light on dark. @throws EpioneError `too-large` */
export async function qrLines(text: string): Promise<string[]> {
  return await generate(text, true)
}

async function generate(text: string, small: boolean): Promise<string[]> {
  const bytes = new TextEncoder().encode(text).length
  if (bytes > MAX_QR_BYTES) {
    throw new EpioneError('too-large', `${bytes} bytes do not fit into a QR code of ${MAX_QR_BYTES}; use a file instead`, {
      metadata: { bytes },
    })
  }
  const { default: qrcode } = await import('qrcode-terminal')
  let lines: string[] = []
  qrcode.generate(text, { small }, code => {
    lines = code.trimEnd().split('\n')
  })
  return lines
}
