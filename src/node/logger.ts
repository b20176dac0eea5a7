/** What services write to. Fields are flat and never hold patient data, keys, or bytes from the network. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
