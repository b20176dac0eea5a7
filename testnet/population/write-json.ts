/** JSON with decimals that keep their digits: FHIR gives 1.50 another precision than 1.5 (datatypes.html#decimal). */

/** A number that is written exactly as its text. */
export class Decimal {
  readonly text: string

  /** @param digits digits after the point, trailing zeros included */
  constructor(value: number, digits: number) {
    const text = value.toFixed(digits)
    this.text = Number(text) === 0 ? text.replace('-', '') : text
  }
}

export type Json = null | boolean | number | string | Decimal | readonly Json[] | { readonly [name: string]: Json | undefined }

/** Writes a value, two spaces to a level; members that are `undefined` are left out. */
export function writeJson(value: Json, indent = ''): string {
  if (value instanceof Decimal) return value.text
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  const inner = `${indent}  `
  const lines = isList(value)
    ? value.map(item => writeJson(item, inner))
    : Object.entries(value).flatMap(([name, content]) =>
        content === undefined ? [] : [`${JSON.stringify(name)}: ${writeJson(content, inner)}`],
      )
  const [open, close] = isList(value) ? '[]' : '{}'
  if (lines.length === 0) return `${open}${close}`
  return `${open}\n${inner}${lines.join(`,\n${inner}`)}\n${indent}${close}`
}

function isList(value: object): value is readonly Json[] {
  return Array.isArray(value)
}
