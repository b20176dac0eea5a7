/**
 * Codes of the value sets that FHIR R4 binds with strength `required` (terminologies.html, section 4.1.5.1). Expanded are value sets
 * that enumerate: whole code systems, listed concepts and unions of such. Open ones (MIME types, currencies, UCUM units) have no list and are not checked.
 */
import type { Bundle, BundleEntry, CodeSystem, CodeSystemConcept, Resource, ValueSet } from '@medplum/fhirtypes'

/** All codes of one value set. */
export interface ValueSetCodes {
  /** Codes alone, for elements of type `code`. */
  codes: ReadonlySet<string>
  /** `system|code`, for codings. */
  codings: ReadonlySet<string>
}

/** Deepest chain of value sets that include one another. */
const MAX_INCLUDE_DEPTH = 16

/**
 * Expands the value sets named by `wanted` (canonical URLs without version). One that cannot be enumerated is absent in the result.
 * @param bundles the terminology Bundles of the FHIR specification
 */
export function expandValueSets(wanted: ReadonlySet<string>, bundles: readonly Bundle[]): Map<string, ValueSetCodes> {
  const valueSets = new Map<string, ValueSet>()
  const codeSystems = new Map<string, CodeSystem>()
  for (const { resource } of bundles.flatMap(bundle => (bundle.entry ?? []) as BundleEntry<Resource>[])) {
    if (resource?.resourceType === 'ValueSet' && resource.url !== undefined) valueSets.set(resource.url, resource)
    if (resource?.resourceType === 'CodeSystem' && resource.url !== undefined) codeSystems.set(resource.url, resource)
  }
  const out = new Map<string, ValueSetCodes>()
  for (const url of wanted) {
    const codings = new Set<string>()
    const codes = new Set<string>()
    const add = (system: string, code: string): void => {
      codes.add(code)
      codings.add(`${system}|${code}`)
    }
    if (expand(url, 0, valueSets, codeSystems, add)) out.set(url, { codes, codings })
  }
  return out
}

/** A canonical URL without its version. */
export function withoutVersion(canonical: string): string {
  const bar = canonical.indexOf('|')
  return bar < 0 ? canonical : canonical.slice(0, bar)
}

/** Adds all codes of a value set; false where the set does not enumerate. */
function expand(
  url: string,
  depth: number,
  valueSets: ReadonlyMap<string, ValueSet>,
  codeSystems: ReadonlyMap<string, CodeSystem>,
  add: (system: string, code: string) => void,
): boolean {
  const compose = valueSets.get(url)?.compose
  if (compose === undefined || compose.exclude !== undefined || depth > MAX_INCLUDE_DEPTH) return false
  return compose.include.every(include => {
    if (include.filter !== undefined) return false
    const { system, concept, valueSet } = include
    if (system === undefined) {
      // An include of several value sets is their intersection, which the required bindings of R4 never use.
      const [only, ...others] = valueSet ?? []
      return only !== undefined && others.length === 0 && expand(withoutVersion(only), depth + 1, valueSets, codeSystems, add)
    }
    if (valueSet !== undefined) return false
    if (concept !== undefined) {
      for (const { code } of concept) if (code !== undefined) add(system, code)
      return true
    }
    const codeSystem = codeSystems.get(system)
    if (codeSystem?.content !== 'complete') return false
    addConcepts(system, codeSystem.concept ?? [], add)
    return true
  })
}

function addConcepts(system: string, concepts: readonly CodeSystemConcept[], add: (system: string, code: string) => void): void {
  for (const { code, concept } of concepts) {
    if (code !== undefined) add(system, code)
    if (concept !== undefined) addConcepts(system, concept, add)
  }
}
