/** Log lines for people: where a terminal shows them, time, level, message and fields instead of JSON. */
import { Writable } from 'node:stream'
import { styleText } from 'node:util'

const LEVELS: Readonly<Record<string, Parameters<typeof styleText>[0]>> = {
  warn: 'yellow',
  error: 'red',
  fatal: 'red',
  debug: 'dim',
  trace: 'dim',
}

/** A stream that takes pino's lines and writes them for people. */
export function readableLogs(stream: NodeJS.WriteStream): Writable {
  return new Writable({
    decodeStrings: false,
    write(chunk: string | Uint8Array, _encoding, done) {
      const text = typeof chunk === 'string' ? chunk : new TextDecoder().decode(chunk)
      for (const line of text.split('\n')) if (line !== '') stream.write(`${readable(line, stream)}\n`)
      done()
    },
  })
}

function readable(line: string, stream: NodeJS.WriteStream): string {
  let entry: Record<string, unknown>
  try {
    entry = JSON.parse(line) as Record<string, unknown>
  } catch {
    return line
  }
  const { level, time, msg, ...fields } = entry
  const name = String(level)
  const style = LEVELS[name]
  const shown = Object.entries(fields).map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  const head = style === undefined ? name : styleText(style, name, { stream })
  return [String(time).slice(11, 19), head, String(msg), ...shown].join(' ')
}
