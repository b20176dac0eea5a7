/** The script of the page on which the codec is tried. */
import { code, flip, seal, speeds, stream } from './codec-work.ts'

/** What the page offers to whoever drives it. */
export interface CodecPage {
  code: typeof code
  flip: typeof flip
  seal: typeof seal
  stream: typeof stream
  speeds: typeof speeds
  /** Whether the page's policy lets nobody evaluate text as code. */
  isStrict: boolean
}

/** Whoever drives the page is allowed what the page is not: it has to try by itself, and now. */
function isStrict(): boolean {
  try {
    return new Function('return false')() as boolean
  } catch {
    return true
  }
}

const page: CodecPage = { code, flip, seal, stream, speeds, isStrict: isStrict() }

Object.assign(globalThis, { codec: page })
document.title = 'ready'
