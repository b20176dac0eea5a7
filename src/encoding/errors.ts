/** Plain values that may accompany an error: flat, serialisable, and never patient data or keys. */
export type ErrorMetadata = Readonly<Record<string, string | number | boolean>>

export interface EpioneErrorOptions {
  /** Facts that help to act on the error; flat and free of secrets. */
  metadata?: ErrorMetadata
  cause?: unknown
}

/** Causes that are followed. */
const MAX_DEPTH = 32

/**
 * Base of every error that epione throws on purpose. `code` is stable and is what callers and tests match; `message` is a
 * sentence that a person can act on.
 */
export class EpioneError extends Error {
  readonly code: string
  readonly metadata: ErrorMetadata

  constructor(code: string, message: string, options: EpioneErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'EpioneError'
    this.code = code
    this.metadata = options.metadata ?? {}
  }

  /** Where the code is explained, as a path in this project. */
  get docs(): string {
    return `docs/errors.md#${this.code}`
  }

  /** The first error among this one and what caused it, and so on, for which the test holds; undefined where there is none. */
  walk(test: (error: unknown) => boolean): unknown {
    for (let error: unknown = this, depth = 0; error !== undefined && depth < MAX_DEPTH; depth++) {
      if (test(error)) return error
      error = error instanceof Error ? error.cause : undefined
    }
    return undefined
  }
}

/** The stable code of an error, or `fallback` where it was not thrown on purpose. */
export function errorCode(error: unknown, fallback = 'internal'): string {
  return error instanceof EpioneError ? error.code : fallback
}

/** Bytes that are not what their format says. Everything that comes from the network or the disk may raise it. */
export class MalformedError extends EpioneError {
  constructor(message: string, metadata: ErrorMetadata = {}) {
    super('malformed', message, { metadata })
    this.name = 'MalformedError'
  }
}
