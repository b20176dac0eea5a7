/**
 * Validation of FHIR R4 resources against the base specification. The structure definitions and value sets take about 450 MB
 * while they load, so nothing is imported before `loadValidator` is called.
 */
import type { OperationOutcomeIssue, Resource } from '@medplum/fhirtypes'
import { EpioneError } from '../encoding/errors.ts'
import { MAX_JSON_BYTES, parseJson } from './json-scan.ts'
import { loadDefinitions } from './platform.ts'
import { isObject, type Problem, StructureCheck } from './structure-check.ts'
import { expandValueSets, withoutVersion } from './value-sets.ts'

/** Most problems that one message lists. */
const LISTED_PROBLEMS = 5

/** Longest reason that is repeated in a message, in characters. */
const MAX_REASON = 200

export interface FhirValidator {
  /**
   * Passes where the resource, or the Bundle with all its resources, is FHIR R4.
   * @param input JSON bytes, or the value that they parse to
   * @throws EpioneError `not-json` and `too-large` for bytes; `not-fhir` with the paths of up to five elements and why, metadata
   *   `problems` (their number). Messages never quote values, for those may be a patient's.
   */
  validate(input: unknown): void
}

let loading: Promise<FhirValidator> | undefined

/** The validator of this process, loaded at first use (about 1.5 s). */
export function loadValidator(): Promise<FhirValidator> {
  loading ??= load().catch((error: unknown) => {
    loading = undefined
    throw error
  })
  return loading
}

async function load(): Promise<FhirValidator> {
  const { core, readJson } = await loadDefinitions()

  const wanted = new Set<string>()
  const resourceTypes = new Set<string>()
  for (const file of ['fhir/r4/profiles-types.json', 'fhir/r4/profiles-resources.json']) {
    const bundle = await readJson(file)
    core.indexStructureDefinitionBundle(bundle)
    for (const { resource } of bundle.entry) {
      if (resource.resourceType !== 'StructureDefinition') continue
      if (resource.kind === 'resource' && resource.abstract !== true) resourceTypes.add(resource.type)
      for (const { binding } of resource.snapshot.element) {
        if (binding?.strength === 'required' && binding.valueSet !== undefined) wanted.add(withoutVersion(binding.valueSet))
      }
    }
  }
  const terminology = await Promise.all(['fhir/r4/v3-codesystems.json', 'fhir/r4/valuesets.json'].map(readJson))
  const valueSets = expandValueSets(wanted, terminology)

  const structure = new StructureCheck({
    schemaOf: type => core.getDataType(type),
    isResourceType: name => resourceTypes.has(name),
    codesOf: valueSet => valueSets.get(valueSet),
  })

  const validate = (input: unknown): void => {
    const value = input instanceof Uint8Array ? parseJson(input) : input
    if (!isObject(value)) throw notFhir([{ path: 'the document', reason: 'must be a JSON object' }])
    const { resourceType } = value
    if (typeof resourceType !== 'string') throw notFhir([{ path: 'resourceType', reason: 'is required' }])
    if (!resourceTypes.has(resourceType)) throw notFhir([{ path: 'resourceType', reason: 'is not a resource type of FHIR R4' }])

    const problems = structure.check(value)
    const seen = new Set(problems.map(problem => problem.path))
    for (const problem of medplumProblems(value)) {
      // Where the structure is wrong, what the same or an inner place breaks besides only repeats it.
      if (!seen.has(problem.path)) problems.push(problem)
      seen.add(problem.path)
    }
    if (problems.length > 0) throw notFhir(problems)
  }

  const medplumProblems = (value: Readonly<Record<string, unknown>>): Problem[] => {
    try {
      core.validateResource(value as unknown as Resource, { base64BinaryMaxBytes: MAX_JSON_BYTES })
      return []
    } catch (error) {
      if (!(error instanceof core.OperationOutcomeError)) {
        return [{ path: value.resourceType as string, reason: 'has a structure that cannot be checked' }]
      }
      const issues = error.outcome.issue ?? []
      return issues.filter(issue => issue.severity === 'error' && !isCovered(issue) && !isWrappedBase64(value, issue)).map(toProblem)
    }
  }

  return { validate }
}

/** Unknown elements and unknown types of contained resources: found by the structure check, which names them safely. */
function isCovered(issue: OperationOutcomeIssue): boolean {
  return /^(?:Invalid additional property|Unknown data type)\b/.test(issue.details?.text ?? '')
}

function toProblem(issue: OperationOutcomeIssue): Problem {
  const text = (issue.details?.text ?? 'is not valid').slice(0, MAX_REASON)
  const path = issue.expression?.[0] ?? 'the resource'
  const types = /^Invalid JSON type: expected (\w+), but got (\w+)$/.exec(text)
  if (types !== null) return { path, reason: `must be a ${types[1]}, not a ${types[2]}` }
  const format = /^Invalid (?!null|empty)(\w+) (?:format|value)$/.exec(text)
  if (format !== null) return { path, reason: `is not a valid ${format[1]}` }
  const rule = /^Constraint (\S+) not met: (.*)$/s.exec(text)
  if (rule !== null) return { path, reason: `breaks rule ${rule[1]}: ${rule[2]}` }
  switch (text) {
    case 'Missing required property':
      return { path, reason: 'is required' }
    case 'Expected array of values for property':
      return { path, reason: 'must be a list' }
    case 'Expected single value for property':
      return { path, reason: 'must be a single value, not a list' }
    case 'Invalid null value':
      return { path, reason: 'must not be null' }
    case 'Invalid empty value':
    case 'Invalid empty non-primitive value':
      return { path, reason: 'must not be empty' }
    default:
      return { path, reason: `is not valid: ${text}` }
  }
}

/** R4 allows white space inside of base64Binary (datatypes.html#base64Binary), which @medplum/core refuses. */
function isWrappedBase64(resource: unknown, issue: OperationOutcomeIssue): boolean {
  if (issue.details?.text !== 'Invalid base64Binary format') return false
  let value: unknown = resource
  for (const [step] of (issue.expression?.[0] ?? '').matchAll(/(?<=[.[])[^.[\]]+/g)) {
    value = Array.isArray(value) ? value[Number(step)] : isObject(value) ? value[step] : undefined
  }
  if (typeof value !== 'string' || !/\s/.test(value)) return false
  const packed = value.replace(/\s+/g, '')
  return packed.length > 0 && packed.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(packed)
}

function notFhir(problems: readonly Problem[]): EpioneError {
  const listed = problems.slice(0, LISTED_PROBLEMS).map(({ path, reason }) => `${path} ${reason}`)
  const more = problems.length - listed.length
  if (more > 0) listed.push(`and ${more} more`)
  return new EpioneError('not-fhir', `not FHIR R4: ${listed.join('; ')}`, { metadata: { problems: problems.length } })
}
