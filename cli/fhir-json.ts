/** JSON with its numbers as they were written: 1.50 stays 1.50. */

/** What JSON.parse tells a reviver of a primitive value, and JSON.rawJSON (ECMAScript, JSON.parse source text access). */
type SourceReviver = (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown }

/** Parses JSON so that JSON.stringify writes the same digits again. @throws SyntaxError */
export function parseKeepingDigits(text: string): unknown {
  const reviver: SourceReviver = (_key, value, { source }) => (typeof value === 'number' && source !== undefined ? rawJSON(source) : value)
  return JSON.parse(text, reviver as (key: string, value: unknown) => unknown)
}
