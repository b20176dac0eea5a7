/** One line about a resource, in plain words, for lists and terminals. */
import { isObject } from './structure-check.ts'

export interface ResourceSummary {
  /** At most 120 characters, one line, free of control characters: it may be printed to a terminal as it is. */
  title: string
  /** When it happened, was done or was written, in milliseconds since the epoch; a day, month or year counts from its start in UTC. */
  dateMs: number | null
}

type JsonObject = Readonly<Record<string, unknown>>

const MAX_TITLE = 120

/** Elements that hold the date of a resource, the clinically telling one first. */
const DATE_ELEMENTS = [
  'effectiveDateTime',
  'effectivePeriod',
  'effectiveInstant',
  'onsetDateTime',
  'onsetPeriod',
  'performedDateTime',
  'performedPeriod',
  'occurrenceDateTime',
  'occurrencePeriod',
  'authoredOn',
  'whenHandedOver',
  'period',
  'billablePeriod',
  'started',
  'birthDate',
  'recordedDate',
  'date',
  'created',
  'recorded',
  'issued',
  'assertedDate',
] as const

/** Elements that name what a resource is about, the telling one first. */
const NAME_ELEMENTS = [
  'code',
  'vaccineCode',
  'medicationCodeableConcept',
  'medicationReference',
  'name',
  'title',
  'type',
  'description',
  'serviceType',
  'category',
] as const

/** Describes any resource; what cannot be read is left out, and the type's name in plain words is the least that is said. */
export function describeResource(resource: unknown): ResourceSummary {
  if (!isObject(resource) || typeof resource.resourceType !== 'string') return { title: 'Unknown', dateMs: null }
  const kind = plainType(resource.resourceType)
  return { title: clean(titleOf(resource, kind) || kind), dateMs: dateOf(resource) }
}

function titleOf(resource: JsonObject, kind: string): string {
  switch (resource.resourceType) {
    case 'Observation':
      return observationTitle(resource, kind)
    case 'Patient':
    case 'Practitioner':
    case 'Person':
    case 'RelatedPerson':
      return personName(resource.name)
    case 'Encounter':
      return first(resource.type, conceptText) || first(resource.reasonCode, conceptText)
    case 'DocumentReference':
      return text(resource.description) || conceptText(resource.type) || first(resource.content, item => attachmentTitle(item))
    case 'MedicationRequest':
    case 'MedicationStatement': {
      const dosage = first(resource.dosageInstruction ?? resource.dosage, item => text(isObject(item) ? item.text : undefined))
      return [nameOf(resource), dosage].filter(Boolean).join(', ')
    }
    default:
      return nameOf(resource)
  }
}

function nameOf(resource: JsonObject): string {
  for (const key of NAME_ELEMENTS) {
    const value = resource[key]
    const found = text(value) || conceptText(value) || first(value, conceptText) || text(isObject(value) ? value.display : undefined)
    if (found !== '') return found
  }
  return ''
}

function observationTitle(observation: JsonObject, kind: string): string {
  const name = conceptText(observation.code) || kind
  const own = valueText(observation)
  if (own !== '') return `${name} ${own}`
  const { component } = observation
  if (!Array.isArray(component)) return name
  // Blood pressure and other panels: "Blood pressure 128/82 mm[Hg]" where all units agree, else each with its own.
  const parts = (component as unknown[]).filter(isObject)
  const values = parts.map(valueText).filter(Boolean)
  const quantities = parts.map(part => part.valueQuantity).filter(isObject)
  const units = new Set(quantities.map(unitOf))
  if (quantities.length === parts.length && quantities.length > 1 && units.size === 1) {
    return `${name} ${quantities.map(quantity => numberText(quantity.value)).join('/')} ${[...units][0]}`
  }
  return [name, values.join(', ')].filter(Boolean).join(' ')
}

function valueText(holder: JsonObject): string {
  const { valueQuantity: quantity, valueBoolean, valueInteger } = holder
  if (isObject(quantity)) {
    const amount = numberText(quantity.value)
    return amount === '' ? '' : [`${text(quantity.comparator)}${amount}`, unitOf(quantity)].filter(Boolean).join(' ')
  }
  if (typeof valueBoolean === 'boolean') return valueBoolean ? 'yes' : 'no'
  if (typeof valueInteger === 'number') return numberText(valueInteger)
  return conceptText(holder.valueCodeableConcept) || text(holder.valueString) || text(holder.valueDateTime)
}

function unitOf(quantity: JsonObject): string {
  return text(quantity.unit) || text(quantity.code)
}

/** Rounded for reading: three decimals, or three digits for what is below one. */
function numberText(value: unknown): string {
  if (typeof value !== 'number' || !Number.isFinite(value)) return ''
  return String(Number(Math.abs(value) < 1 ? value.toPrecision(3) : value.toFixed(3)))
}

function conceptText(value: unknown): string {
  if (!isObject(value)) return ''
  return text(value.text) || first(value.coding, item => (isObject(item) ? text(item.display) : '')) || text(value.display)
}

function attachmentTitle(content: unknown): string {
  const attachment = isObject(content) ? content.attachment : undefined
  return isObject(attachment) ? text(attachment.title) : ''
}

function personName(names: unknown): string {
  return first(names, name => {
    if (!isObject(name)) return ''
    const given = Array.isArray(name.given) ? (name.given as unknown[]).map(text).filter(Boolean) : []
    return text(name.text) || [...given, text(name.family)].filter(Boolean).join(' ')
  })
}

/** First telling item of a list. */
function first(list: unknown, read: (item: unknown) => string): string {
  if (!Array.isArray(list)) return ''
  for (const item of list as unknown[]) {
    const found = read(item)
    if (found !== '') return found
  }
  return ''
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.trim() : ''
}

/** `MedicationRequest` becomes `Medication request`. */
function plainType(resourceType: string): string {
  const words = resourceType.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** One printable line. Control, format and bidirectional characters could act on a terminal or disguise the text. */
function clean(title: string): string {
  const line = title
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim()
  if (line === '') return 'Unknown'
  // A character has at most two UTF-16 units; one more than fits tells that something is cut.
  const characters = [...line.slice(0, 2 * MAX_TITLE + 2)]
  return characters.length > MAX_TITLE ? `${characters.slice(0, MAX_TITLE - 1).join('')}…` : line
}

function dateOf(resource: JsonObject): number | null {
  for (const key of DATE_ELEMENTS) {
    const value = resource[key]
    const found = isObject(value) ? (parseDate(value.start) ?? parseDate(value.end)) : parseDate(value)
    if (found !== null) return found
  }
  return null
}

/** FHIR date, dateTime or instant (datatypes.html#dateTime). */
function parseDate(value: unknown): number | null {
  if (typeof value !== 'string') return null
  if (!/^\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d))?)?)?$/.test(value)) return null
  // ECMAScript reads a date without a time as UTC, and digits below the millisecond are cut.
  const ms = Date.parse(value)
  return Number.isNaN(ms) ? null : ms
}
