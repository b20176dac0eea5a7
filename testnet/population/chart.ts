/** A growing transaction Bundle, and the FHIR fragments that its resources are made of. */
import { SYSTEMS } from './catalogue.ts'
import type { SeededRandom } from './random.ts'
import { Decimal, type Json, writeJson } from './write-json.ts'

export type JsonObject = { readonly [name: string]: Json | undefined }

/** A reference by the `urn:uuid` of an entry. */
export interface Reference extends JsonObject {
  readonly reference: string
  readonly display?: string
}

export class Chart {
  readonly #random: SeededRandom
  readonly #entries: Json[] = []

  constructor(random: SeededRandom) {
    this.#random = random
  }

  /** Adds a resource and gives the reference to it. `uuid` is for resources that several charts share. */
  add(resourceType: string, content: JsonObject, options: { uuid?: string; display?: string } = {}): Reference {
    const id = options.uuid ?? uuid(this.#random)
    const fullUrl = `urn:uuid:${id}`
    this.#entries.push({ fullUrl, resource: { resourceType, id, ...content }, request: { method: 'POST', url: resourceType } })
    return options.display === undefined ? { reference: fullUrl } : { reference: fullUrl, display: options.display }
  }

  toText(): string {
    return `${writeJson({ resourceType: 'Bundle', type: 'transaction', entry: this.#entries })}\n`
  }
}

/** A version 4 UUID (RFC 9562) of seeded bytes. */
export function uuid(random: SeededRandom): string {
  const bytes = random.bytes(16)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  return Buffer.from(bytes)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

export function coding(system: string, code: string, display?: string): JsonObject {
  return { system, code, display }
}

export function concept(text: string, ...codings: readonly JsonObject[]): JsonObject {
  return { coding: codings, text }
}

export function snomed(code: string, display: string): JsonObject {
  return concept(display, coding(SYSTEMS.snomed, code, display))
}

export function loinc(code: string, display: string, text = display): JsonObject {
  return concept(text, coding(SYSTEMS.loinc, code, display))
}

/** A concept of one of HL7's own code systems. */
export function hl7(system: string, code: string, display: string): JsonObject {
  return { coding: [coding(`http://terminology.hl7.org/CodeSystem/${system}`, code, display)] }
}

/** A quantity in UCUM whose digits stay: `digits` after the point. */
export function quantity(value: number, digits: number, code: string, unit = code): JsonObject {
  return { value: new Decimal(value, digits), unit, system: SYSTEMS.ucum, code }
}

/** FHIR dateTime to the second, in local time of the given offset such as `+05:30`. */
export function dateTime(timeMs: number, offset: string): string {
  return `${new Date(timeMs + offsetMs(offset)).toISOString().slice(0, 19)}${offset}`
}

/** Milliseconds by which clocks of an offset such as `+05:30` are ahead of UTC. */
export function offsetMs(offset: string): number {
  const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)$/.exec(offset) as RegExpExecArray
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
}

/** FHIR date. */
export function date(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10)
}
