/**
 * The checks of FHIR R4's structure that @medplum/core leaves out: codes of required bindings, JSON types of complex elements,
 * empty lists, two values for one choice, resource ids, member names that every JavaScript object inherits.
 */
import type { InternalSchemaElement, InternalTypeSchema } from '@medplum/core'
import { type ValueSetCodes, withoutVersion } from './value-sets.ts'

/** One thing that is wrong, and where: `Observation.component[0].code`. */
export interface Problem {
  path: string
  /** Continues a sentence that begins with the path; never quotes a value. */
  reason: string
}

/** Schema knowledge that the check stands on. */
export interface StructureDefinitions {
  schemaOf(type: string): InternalTypeSchema
  isResourceType(name: string): boolean
  codesOf(valueSet: string): ValueSetCodes | undefined
}

/** What is known of one JSON member of a type. */
interface Member {
  type: string
  primitive: boolean
  /** Set where the member is one of several forms of a choice: `Patient.deceased[x]`. */
  choice?: string
  codes?: ValueSetCodes
}

type JsonObject = Readonly<Record<string, unknown>>

/** FHIR R4 datatypes.html, type id. */
const ID = /^[A-Za-z0-9\-.]{1,64}$/

/** Most allowed codes that a message lists. */
const LISTED_CODES = 12

/** Names that may be repeated in messages: all that FHIR itself uses. */
const ELEMENT_NAME = /^_?[A-Za-z][A-Za-z0-9]{0,63}$/

/** Deepest nesting that is walked; the scanner's bound for bytes, repeated for values that were parsed elsewhere. */
const MAX_DEPTH = 64

export class StructureCheck {
  readonly #definitions: StructureDefinitions
  /** Members per type, made at first use; bounded by the types of FHIR R4. */
  readonly #members = new Map<string, ReadonlyMap<string, Member>>()

  constructor(definitions: StructureDefinitions) {
    this.#definitions = definitions
  }

  /** Problems of a resource whose own type is known. */
  check(resource: JsonObject): Problem[] {
    const problems: Problem[] = []
    this.#resource(resource, resource.resourceType as string, problems, 0)
    return problems
  }

  #resource(resource: JsonObject, path: string, problems: Problem[], depth: number): void {
    const { resourceType, id } = resource
    if (typeof resourceType !== 'string') {
      problems.push({ path: `${path}.resourceType`, reason: 'is required' })
    } else if (!this.#definitions.isResourceType(resourceType)) {
      problems.push({ path: `${path}.resourceType`, reason: 'is not a resource type of FHIR R4' })
    } else {
      if (typeof id === 'string' && !ID.test(id)) {
        problems.push({ path: `${path}.id`, reason: 'must be 1 to 64 letters, digits, hyphens and dots' })
      }
      this.#object(resource, resourceType, path, problems, depth)
    }
  }

  #object(value: JsonObject, type: string, path: string, problems: Problem[], depth: number): void {
    if (depth > MAX_DEPTH) {
      problems.push({ path, reason: `is nested deeper than ${MAX_DEPTH}` })
      return
    }
    const members = this.#membersOf(type)
    const choices = new Set<string>()
    for (const [name, content] of Object.entries(value)) {
      const member = members.get(name)
      if (member !== undefined) {
        if (member.choice !== undefined) {
          if (choices.has(member.choice)) problems.push({ path: `${path}.${member.choice}`, reason: 'must have one value, not several' })
          choices.add(member.choice)
        }
        this.#member(content, member, `${path}.${name}`, problems, depth)
      } else if (name.startsWith('_') && members.get(name.slice(1))?.primitive === true) {
        this.#member(content, { type: 'Element', primitive: false }, `${path}.${name}`, problems, depth)
      } else if (name !== 'resourceType') {
        const reason = 'is not an element of FHIR R4'
        problems.push(ELEMENT_NAME.test(name) ? { path: `${path}.${name}`, reason } : { path: `a member of ${path}`, reason })
      }
    }
  }

  #member(content: unknown, member: Member, path: string, problems: Problem[], depth: number): void {
    if (!Array.isArray(content)) {
      this.#value(content, member, path, problems, depth)
      return
    }
    if (content.length === 0) problems.push({ path, reason: 'must not be an empty list' })
    content.forEach((item: unknown, i) => {
      this.#value(item, member, `${path}[${i}]`, problems, depth)
    })
  }

  #value(value: unknown, member: Member, path: string, problems: Problem[], depth: number): void {
    // Whether null may stand here is decided together with the partner list (json.html, section 2.6.2.3), by @medplum/core.
    if (value === null) return
    if (member.primitive) {
      if (typeof value === 'object')
        problems.push({ path, reason: `must be a ${member.type}, not ${Array.isArray(value) ? 'a list' : 'an object'}` })
      else if (member.codes !== undefined && typeof value === 'string' && !member.codes.codes.has(value)) {
        problems.push({ path, reason: `must be ${listed(member.codes)}` })
      }
      return
    }
    if (!isObject(value)) {
      problems.push({ path, reason: `must be an object, not a ${Array.isArray(value) ? 'list' : typeof value}` })
      return
    }
    if (Object.keys(value).length === 0) {
      problems.push({ path, reason: 'must not be empty' })
      return
    }
    if (member.type === 'Resource') this.#resource(value, path, problems, depth + 1)
    else {
      if (member.codes !== undefined && member.type === 'CodeableConcept') checkConcept(value, member.codes, path, problems)
      this.#object(value, member.type, path, problems, depth + 1)
    }
  }

  #membersOf(type: string): ReadonlyMap<string, Member> {
    let members = this.#members.get(type)
    if (members === undefined) {
      const made = new Map<string, Member>()
      for (const [name, element] of Object.entries(this.#definitions.schemaOf(type).elements)) this.#addMembers(made, name, element)
      members = made
      this.#members.set(type, members)
    }
    return members
  }

  #addMembers(members: Map<string, Member>, name: string, element: InternalSchemaElement): void {
    const isChoice = name.endsWith('[x]')
    const { binding } = element
    const codes =
      binding?.strength === 'required' && binding.valueSet !== undefined
        ? this.#definitions.codesOf(withoutVersion(binding.valueSet))
        : undefined
    for (const { code: type } of element.type) {
      const key = isChoice ? name.slice(0, -3) + type.charAt(0).toUpperCase() + type.slice(1) : name
      const member: Member = { type, primitive: isPrimitive(type) }
      if (isChoice) member.choice = name
      if (codes !== undefined) member.codes = codes
      members.set(key, member)
    }
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Primitive types are written with a small letter; FHIRPath's system types, which ids and extension URLs have, are URLs. */
function isPrimitive(type: string): boolean {
  const first = type.charCodeAt(0)
  return first >= 0x61 && first <= 0x7a
}

/** A required binding demands one coding of the value set. A concept that is nothing but extensions (data absent) is let pass. */
function checkConcept(concept: JsonObject, codes: ValueSetCodes, path: string, problems: Problem[]): void {
  const { coding, text } = concept
  if (coding === undefined && text === undefined) return
  const ok =
    Array.isArray(coding) &&
    coding.some(
      (item: unknown) =>
        isObject(item) &&
        typeof item.system === 'string' &&
        typeof item.code === 'string' &&
        codes.codings.has(`${item.system}|${item.code}`),
    )
  if (!ok) problems.push({ path, reason: `must have a coding, with its system, that is ${listed(codes)}` })
}

function listed({ codes }: ValueSetCodes): string {
  const names = [...codes]
  if (names.length <= LISTED_CODES) return `one of ${names.join(', ')}`
  return `one of ${names.slice(0, LISTED_CODES).join(', ')} and ${names.length - LISTED_CODES} other codes`
}
