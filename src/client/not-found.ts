import { EpioneError } from '../encoding/errors.ts'

/** What anybody is told who may not read, or who asks for what does not exist: the same words for both. */
export function notFound(cause?: unknown): EpioneError {
  return new EpioneError('not-found', 'There is nothing here under this name.', cause === undefined ? {} : { cause })
}
