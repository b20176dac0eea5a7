/**
 * What the program prints: data on stdout, everything else on stderr. With `--json` both are JSON, one document on stdout and one
 * object a line on stderr.
 */
import { styleText } from 'node:util'
import { toHex } from '../src/encoding/bytes.ts'
import { EpioneError, errorCode } from '../src/encoding/errors.ts'
import { exitCodeOf } from './exit-codes.ts'

/** Version of the shape of what `--json` prints; it grows when a field goes away or changes its meaning. */
export const SCHEMA_VERSION = 1

export interface OutputOptions {
  json: boolean
  quiet: boolean
  /** Stacks of errors too. */
  debug: boolean
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
}

export interface Output {
  readonly json: boolean
  /** The answer of a command: the object as JSON with `schemaVersion`, or its lines for people. */
  result(value: object, lines: () => readonly string[]): void
  /** One item of an answer without end (a followed log): a line of JSON, or a line for people. */
  item(value: object, line: () => string): void
  /** The answer's bytes as they are, whatever `--json` says. Resolves when they are handed over. */
  bytes(bytes: Uint8Array): Promise<void>
  /** Progress and remarks for people; not with `--quiet` or `--json`. */
  note(text: string): void
  /** What a person should know although the command goes on; also with `--quiet`. */
  warn(text: string): void
  /** The error as one line with its code; its stack with EPIONE_DEBUG=1. */
  error(error: unknown): void
}

type Style = Parameters<typeof styleText>[0]

/** Values as JSON writes them: bytes as hex, big integers as text. */
function plain(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value)
  return typeof value === 'bigint' ? value.toString() : value
}

/** An error as sentence and code. What was not thrown on purpose is `internal`, or the code that the system gave it. */
export function describeError(error: unknown): { code: string; message: string; metadata: Readonly<Record<string, unknown>> } {
  if (error instanceof EpioneError) return { code: error.code, message: error.message, metadata: error.metadata }
  if (error instanceof Error && error.name === 'AbortError') return { code: 'interrupted', message: 'interrupted', metadata: {} }
  const message = error instanceof Error ? error.message : String(error)
  const system = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
  const code = /^E[A-Z]+$/.test(system) ? `system-${system.toLowerCase()}` : errorCode(error)
  return { code, message: code === 'internal' ? `unexpected: ${message} (EPIONE_DEBUG=1 shows where)` : message, metadata: {} }
}

export function createOutput(options: OutputOptions): Output {
  const { json, quiet, debug, stdout, stderr } = options
  const styled = (style: Style, text: string): string => styleText(style, text, { stream: stderr })
  const line = (stream: NodeJS.WriteStream, text: string): void => {
    stream.write(`${text}\n`)
  }
  return {
    json,
    result(value, lines) {
      if (json) line(stdout, JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...value }, plain, 2))
      else for (const text of lines()) line(stdout, text)
    },
    item(value, text) {
      line(stdout, json ? JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...value }, plain) : text())
    },
    bytes(bytes) {
      return new Promise((resolve, reject) => stdout.write(bytes, error => (error == null ? resolve() : reject(error))))
    },
    note(text) {
      if (!quiet && !json) line(stderr, text)
    },
    warn(text) {
      if (json) line(stderr, JSON.stringify({ schemaVersion: SCHEMA_VERSION, warning: text }))
      else line(stderr, `${styled('yellow', 'warning:')} ${text}`)
    },
    error(error) {
      const { code, message, metadata } = describeError(error)
      if (json) {
        line(
          stderr,
          JSON.stringify({ schemaVersion: SCHEMA_VERSION, error: { code, message, metadata, exitCode: exitCodeOf(code) } }, plain),
        )
      } else line(stderr, `${styled(['bold', 'red'], 'error:')} ${message} (${code})`)
      if (debug && error instanceof Error) {
        for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) line(stderr, cause.stack ?? cause.message)
      }
    },
  }
}

/** Rows in columns of equal width, two spaces apart; the last column is not padded. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length)
    })
  return rows.map(row => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!))).join('  '))
}
