/** What the network writes to; a pino logger fits. Fields are flat and never hold bytes from the network. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

const ignore = (): void => undefined

/** Writes nowhere. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }
